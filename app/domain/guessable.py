"""Guessable passwords: repetitions, sequences of letters or keys, names of the account, and few guesses.

Each check judges the whole password (NIST SP 800-63B-4 section 3.1.1.2).
A passphrase may therefore contain any word. All texts must be folded.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

SHORTEST_NAME = 3
"""Shorter names are ignored: a password that contains one consists almost entirely of other text."""

ESTIMATED = 48
"""How many letters of a password are estimated at either end; the time grows with their square."""
FAMOUS = ("correcthorsebatterystaple",)
"""Well-known passphrases, without what separates their words."""
GuessesLog10: TypeAlias = Callable[[str, Iterable[str]], float]
"""Estimates the logarithm of the guesses that a text takes, of someone who knows these names."""

# Their meaning as letters is clear. Left as they are, each would double the estimator's work.
_SYMBOLS = str.maketrans("@$!({[<|+%", "asiccccltx")
_SEPARATORS = " ,.;:/_-"
# Each continues from its end at its start, and is read in both directions.
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


def repeated_unit(text: str) -> str:
    """The shortest unit that ``text`` repeats, without separators around it; ``text`` if it repeats none.

    The last repetition may be incomplete.
    """
    length = next((length for length in range(1, len(text)) if text.startswith(text[length:])), None)
    if length is None:
        return text
    unit = text[:length]
    return unit.strip(_SEPARATORS) or unit


def is_sequence(text: str) -> bool:
    """Whether ``text`` follows an alphabet, the digits or a keyboard row, forwards or backwards."""
    # Consecutive code points cover the other alphabets.
    if {ord(after) - ord(before) for before, after in pairwise(text)} in ({1}, {-1}):
        return True
    rounds = ((track, len(text) // len(track) + 2) for track in _TRACKS)
    return any(letters in track * times for track, times in rounds for letters in (text, text[::-1]))


def consists_of_names(text: str, names: Iterable[str]) -> bool:
    """Whether ``text`` is one name or several in a row, ignoring punctuation, with or without digits."""
    kinds: tuple[Callable[[str], bool], ...] = (str.isalpha, str.isalnum)
    listed = list(names)
    return any(_is_chain(_only(kind, text), [_only(kind, name) for name in listed]) for kind in kinds)


def is_famous(text: str) -> bool:
    """Whether ``text`` is a well-known passphrase; any characters may separate its words."""
    return _only(str.isalnum, text) in FAMOUS


def takes_few_guesses(text: str, names: Iterable[str], least: float, guesses_log10: GuessesLog10) -> bool:
    """Whether both ends of ``text`` are guessed in fewer than ten to the power of ``least`` tries."""
    parts = {part for name in names for part in (name, *re.split(r"\W+", name)) if len(part) >= SHORTEST_NAME}
    words, plain = sorted({*parts, *FAMOUS}), text.translate(_SYMBOLS)
    # A text takes at least as many guesses as a part of it.
    return all(guesses_log10(end, words) < least for end in {plain[:ESTIMATED], plain[-ESTIMATED:]})


def _only(kind: Callable[[str], bool], text: str) -> str:
    return "".join(filter(kind, text))


def _is_chain(text: str, links: Sequence[str]) -> bool:
    # Not a regular expression: a chosen e-mail address could make it take exponential time.
    links = [link for link in links if len(link) >= SHORTEST_NAME]
    reached = {0}
    for start in range(len(text)):
        if start in reached:
            reached |= {start + len(link) for link in links if text.startswith(link, start)}
    return bool(text) and len(text) in reached
