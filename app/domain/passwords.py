"""Passwords: one spelling, a length in letters, no rules of composition (NIST SP 800-63B-4)."""

import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.guessable import is_made_of, is_run, unit

MAX_BYTES = 1024
"""Longest password in bytes of UTF-8; what is longer is refused before any hashing."""
SERVICE = "watchword"
"""What everybody knows this service as, whatever its host is called."""
_SHORT_UNIT = 4


class Weakness(StrEnum):
    """Why a password is refused; the value is the public, frozen ``reason``."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_TEXT = "not_text"
    PERSONAL = "personal"
    PREDICTABLE = "predictable"
    COMMON = "common"
    BREACHED = "breached"


_ADVICE: Mapping[Weakness, str] = {
    Weakness.TOO_SHORT: "Make the password longer by {missing}: it needs at least {min_length} characters.",
    Weakness.TOO_LONG: "Make the password shorter: it may have at most {max_bytes:,} bytes.",
    Weakness.NOT_TEXT: "Type the password again: it is not valid text.",
    Weakness.PERSONAL: "Use words that have nothing to do with the e-mail address or with this service.",
    Weakness.PREDICTABLE: "Use several unrelated words instead of letters or digits in their usual order.",
    Weakness.COMMON: "Use several unrelated words instead of a password that many people have.",
    Weakness.BREACHED: "Use another password, here and wherever you use this one: it has been stolen before.",
}
"""The one table from weaknesses to what can be done about them."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What is asked of a new password: at least ``min_length`` code points, counted after NFKC.

    ``host`` is the service's, and no password for it.
    """

    min_length: int
    host: str


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a password is refused, and what to do about it in one sentence, which quotes none of it."""

    weakness: Weakness
    advice: str


def normalise(password: str) -> str:
    """The one spelling (NFKC) of a password that different keyboards send in different ones."""
    return unicodedata.normalize("NFKC", password)


def fold(text: str) -> str:
    """The spelling in which a password is compared with easy guesses: NFKC without regard to case."""
    # Folding the case may undo the composition.
    return normalise(normalise(text).casefold())


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


def weakness(password: str, email: str, policy: PasswordPolicy, common: Container[str]) -> Weakness | None:
    """Why ``password`` may not become the one of the account with this address, or None when it may.

    ``common`` holds folded passwords that many people have. What repeats a piece is judged by the piece.
    """
    refused = unusable(password)
    if refused is not None:
        return refused
    if len(normalise(password)) < policy.min_length:
        return Weakness.TOO_SHORT
    whole = fold(password)
    piece = unit(whole)
    if is_made_of(whole, _names(fold(email), policy.host)):
        return Weakness.PERSONAL
    if len(piece) <= _SHORT_UNIT:
        return Weakness.COMMON
    if is_run(whole) or is_run(piece):
        return Weakness.PREDICTABLE
    return Weakness.COMMON if whole in common or piece in common else None


def objection(weakness: Weakness, password: str, policy: PasswordPolicy) -> Objection:
    """The weakness of ``password`` together with its advice."""
    # Of a password that is too long not even the length is taken.
    length = len(normalise(password)) if weakness is Weakness.TOO_SHORT else 0
    numbers = {"missing": policy.min_length - length, "min_length": policy.min_length, "max_bytes": MAX_BYTES}
    return Objection(weakness, _ADVICE[weakness].format(**numbers))


def _names(email: str, host: str) -> tuple[str, ...]:
    local, _, domain = email.rpartition("@")
    return (SERVICE, local, domain, *domain.split("."), host, *host.split("."))
