"""Guesses: what is tried first by whoever knows the keyboard, the account's address and the service's name.

Each of these looks at a whole password and at no part of one (NIST SP 800-63B-4 section 3.1.1.2), so that a
passphrase may hold any word. Texts come folded.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

SHORTEST_NAME = 3
"""Names of fewer letters give nothing away: beside them nearly all of the password is something else."""

_SEPARATORS = " ,.;:/_-"
# Each goes on from its end to its start, and is followed both ways.
_TRACKS = (
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "1234567890-=qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)


def unit(text: str) -> str:
    """The shortest piece that ``text`` repeats, without what parts its repetitions; or ``text`` itself.

    The last repetition may be cut short.
    """
    length = next((length for length in range(1, len(text)) if text.startswith(text[length:])), None)
    if length is None:
        return text
    piece = text[:length]
    return piece.strip(_SEPARATORS) or piece


def is_run(text: str) -> bool:
    """Whether ``text`` goes up or down an alphabet, the digits or a keyboard, letter by letter."""
    # Code points in a row are the other alphabets.
    if {ord(after) - ord(before) for before, after in pairwise(text)} in ({1}, {-1}):
        return True
    rounds = ((track, len(text) // len(track) + 2) for track in _TRACKS)
    return any(way in track * times for track, times in rounds for way in (text, text[::-1]))


def is_made_of(text: str, names: Iterable[str]) -> bool:
    """Whether ``text`` is one of the names, or several on end, among digits and punctuation."""
    kinds: tuple[Callable[[str], bool], ...] = (str.isalpha, str.isalnum)
    listed = list(names)
    return any(_is_chain(_only(kind, text), [_only(kind, name) for name in listed]) for kind in kinds)


def _only(kind: Callable[[str], bool], text: str) -> str:
    return "".join(filter(kind, text))


def _is_chain(text: str, links: Sequence[str]) -> bool:
    # Not a regular expression: whoever chooses the address could make one that takes for ever.
    links = [link for link in links if len(link) >= SHORTEST_NAME]
    reached = {0}
    for start in range(len(text)):
        if start in reached:
            reached |= {start + len(link) for link in links if text.startswith(link, start)}
    return bool(text) and len(text) in reached
