"""A finding: its subject, how serious it is, and what browsers or verifiers do about it."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby

_WIDTH = 100


class Level(StrEnum):
    """``problem``: it fails or is unsafe now. ``warning``: it will be, in the case that the text names."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in words, with the mend where one is needed."""

    level: Level
    subject: str
    text: str


ok = partial(Finding, Level.OK)
note = partial(Finding, Level.NOTE)
warning = partial(Finding, Level.WARNING)
problem = partial(Finding, Level.PROBLEM)


def format_findings(findings: Sequence[Finding]) -> str:
    """Format the findings under their subjects, and the number of each level at the end."""
    lines = []
    for subject, found in groupby(findings, lambda finding: finding.subject):
        lines.append(subject)
        lines += [_paragraph(finding) for finding in found]
    return "\n".join([*lines, "", _summary(findings)])


def duration(length: timedelta) -> str:
    """Format a duration as people write it: ``15 minutes``, ``30 days``."""
    seconds = int(length.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds and seconds % size == 0:
            return counted(seconds // size, unit)
    return counted(seconds, "second")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Format a number of things: ``1 note``, ``2 notes``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def _paragraph(finding: Finding) -> str:
    # A deployment's answer may contain control characters, which must not reach the terminal.
    text = "".join(letter if letter.isprintable() else "?" for letter in finding.text)
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=f"  {finding.level:<9}",
        subsequent_indent=" " * 11,
        # An address stays in one piece, to be copied.
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(findings: Iterable[Finding]) -> str:
    numbers = Counter(finding.level for finding in findings)
    worst_first = (Level.PROBLEM, Level.WARNING, Level.NOTE)
    return ", ".join(counted(numbers[level], level.value) for level in worst_first)
