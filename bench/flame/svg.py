"""Draws a flame graph: a row for each depth of the stack, and a box as wide as the share of a function."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

WIDTH, ROW, FONT = 1200.0, 17, 11
_LETTER = 6.3
"""Units that a letter is wide."""
_NARROWEST = 1.5
"""Units: narrower boxes are left out."""
_COLOURS = {
    "app/crypto": "#e8a07a",
    "app/storage": "#8fb4d9",
    "app/http": "#b7d39a",
    "app/services": "#d9c98a",
    "app/logs": "#c5a6d6",
    "app/server": "#9fcfc4",
    "asyncpg": "#a9c6e3",
    "jwt": "#e8b28a",
    "uvicorn": "#cfcfcf",
}
_OTHER = "#e3e0d6"


class Box(NamedTuple):
    """One box: its function, where it begins and how wide it is, in samples, and its depth from below."""

    name: str
    start: int
    samples: int
    depth: int


@dataclass
class _Node:
    samples: int = 0
    below: dict[str, "_Node"] = field(default_factory=dict)


def picture(stacks: Mapping[tuple[str, ...], int], title: str) -> str:
    """Return the stacks, outermost frame first, as an SVG."""
    root = _Node()
    for stack, number in stacks.items():
        node = root
        node.samples += number
        for frame in stack:
            node = node.below.setdefault(frame, _Node())
            node.samples += number
    scale = WIDTH / max(root.samples, 1)
    boxes = [box for box in _boxes(root) if box.samples * scale >= _NARROWEST]
    height = (max((box.depth for box in boxes), default=0) + 3) * ROW
    drawn = "\n".join(_drawn(box, scale, height, root.samples) for box in boxes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height}" '
        f'font-family="monospace" font-size="{FONT}">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="6" y="{ROW}" font-size="13">{escape(title)}, {root.samples} samples</text>\n'
        f"{drawn}\n</svg>\n"
    )


def _boxes(root: _Node) -> Iterator[Box]:
    waiting = [(root, 0, 0)]
    while waiting:
        node, start, depth = waiting.pop()
        for name, below in sorted(node.below.items()):
            yield Box(name, start, below.samples, depth)
            waiting.append((below, start, depth + 1))
            start += below.samples


def _drawn(box: Box, scale: float, height: int, total: int) -> str:
    x, width, y = box.start * scale, box.samples * scale, height - (box.depth + 1) * ROW
    colour = next((colour for part, colour in _COLOURS.items() if part in box.name), _OTHER)
    letters = int((width - 4) / _LETTER)
    text = box.name if len(box.name) <= letters else f"{box.name[: letters - 1]}…" if letters > 3 else ""
    return (
        f"<g><title>{escape(box.name)}: {box.samples / total:.1%}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}" rx="1"/>'
        f'<text x="{x + 3:.1f}" y="{y + ROW - 5}">{escape(text)}</text></g>'
    )
