"""Passwords: one spelling, a length in letters, no rules of composition (NIST SP 800-63B-4)."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

MAX_BYTES = 1024
"""Longest password in bytes of UTF-8; what is longer is refused before any hashing."""


class Weakness(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_TEXT = "not_text"


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What is asked of a new password: at least ``min_length`` code points, counted after NFKC."""

    min_length: int


def normalise(password: str) -> str:
    """The one spelling (NFKC) of a password that different keyboards send in different ones."""
    return unicodedata.normalize("NFKC", password)


def unusable(password: str) -> Weakness | None:
    """Why ``password`` cannot be hashed at all, however short it may be, or None.

    ``NOT_TEXT``: it holds a lone surrogate, which has no UTF-8.
    ``TOO_LONG``: it takes over ``MAX_BYTES`` as typed or in NFKC, which may be the longer of the two.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in password):
        return Weakness.NOT_TEXT
    # The typed form comes first, because normalising a long run of accents takes quadratic time.
    if len(password.encode()) > MAX_BYTES or len(normalise(password).encode()) > MAX_BYTES:
        return Weakness.TOO_LONG
    return None


def weakness(password: str, policy: PasswordPolicy) -> Weakness | None:
    """Why ``password`` may not become the password of an account, or None when it may."""
    refused = unusable(password)
    if refused is None and len(normalise(password)) < policy.min_length:
        return Weakness.TOO_SHORT
    return refused
