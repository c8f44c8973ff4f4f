"""How many guesses a password takes, as zxcvbn estimates: from words, names, dates and runs of keys."""

from collections.abc import Iterable

from zxcvbn_rs_py import zxcvbn


def guesses_log10(text: str, names: Iterable[str]) -> float:
    """The logarithm of the guesses, of an attacker who tries ``names`` among the first words.

    The first call takes 40 ms and 9 MB for its word lists. Symbols that stand for letters multiply the time.
    """
    return zxcvbn(text, list(names)).guesses_log10
