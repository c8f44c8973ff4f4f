"""Passwords: one canonical form, a minimum length, no composition rules (NIST SP 800-63B-4)."""

import unicodedata
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.domain.guessable import (
    GuessesLog10,
    consists_of_names,
    is_famous,
    is_sequence,
    repeated_unit,
    takes_few_guesses,
)

MAX_BYTES = 1024
"""Longest password in bytes of UTF-8; a longer one is refused before any hashing."""
SERVICE = "watchword"
"""The product's public name, which is guessable for every host."""
_SHORT_UNIT = 4
ENOUGH_GUESSES_LOG10 = 10
"""The least guesses, as their logarithm: years of guessing at Argon2id, and zxcvbn's highest score."""


class Weakness(StrEnum):
    """Why a password is refused; the value is the public, frozen ``reason``."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NOT_TEXT = "not_text"
    PERSONAL = "personal"
    PREDICTABLE = "predictable"
    COMMON = "common"
    GUESSABLE = "guessable"
    BREACHED = "breached"


_ADVICE: Mapping[Weakness, str] = {
    Weakness.TOO_SHORT: "Make the password longer by {missing}: it needs at least {min_length} characters.",
    Weakness.TOO_LONG: "Make the password shorter: it may have at most {max_bytes:,} bytes.",
    Weakness.NOT_TEXT: "Type the password again: it is not valid text.",
    Weakness.PERSONAL: "Use words that have nothing to do with the e-mail address or with this service.",
    Weakness.PREDICTABLE: "Use several unrelated words instead of letters or digits in their usual order.",
    Weakness.COMMON: "Use several unrelated words instead of a password that many people have.",
    Weakness.GUESSABLE: "Add unrelated words: a guesser who combines common words and dates finds this soon.",
    Weakness.BREACHED: "Use another password, here and wherever you use this one: it has been stolen before.",
}
"""The advice for each weakness."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """The requirements for a new password: at least ``min_length`` code points, counted after NFKC.

    ``host`` is the service's host name, which is refused as a password.
    """

    min_length: int
    host: str


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a password is refused, and one sentence of advice, which never quotes the password."""

    weakness: Weakness
    advice: str


def normalise(password: str) -> str:
    """The canonical form (NFKC) of a password, since keyboards encode the same letters differently."""
    return unicodedata.normalize("NFKC", password)


def fold(text: str) -> str:
    """The form in which a password is compared with guessable texts: NFKC with case folded."""
    # Case folding may undo the composition.
    return normalise(normalise(text).casefold())


def unusable(password: str) -> Weakness | None:
    """Why ``password`` cannot be hashed, or None. The minimum length is not checked.

    ``NOT_TEXT``: it contains a lone surrogate, which UTF-8 cannot encode.
    ``TOO_LONG``: it exceeds ``MAX_BYTES`` as typed or in NFKC; either form may be the longer one.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in password):
        return Weakness.NOT_TEXT
    # The typed form is checked first, because normalising a long run of accents takes quadratic time.
    if len(password.encode()) > MAX_BYTES or len(normalise(password).encode()) > MAX_BYTES:
        return Weakness.TOO_LONG
    return None


def weakness(
    password: str, email: str, policy: PasswordPolicy, common: Container[str], guesses_log10: GuessesLog10
) -> Weakness | None:
    """Why ``password`` is refused as a new password of the account with this address, or None.

    ``common`` contains folded passwords that many people use; a repetition is judged by its unit. The
    estimate comes last.
    """
    refused = unusable(password)
    if refused is not None:
        return refused
    if len(normalise(password)) < policy.min_length:
        return Weakness.TOO_SHORT
    whole = fold(password)
    unit, names = repeated_unit(whole), _names(fold(email), policy.host)
    if consists_of_names(whole, names):
        return Weakness.PERSONAL
    if len(unit) <= _SHORT_UNIT:
        return Weakness.COMMON
    if is_sequence(whole) or is_sequence(unit):
        return Weakness.PREDICTABLE
    if whole in common or unit in common or is_famous(whole):
        return Weakness.COMMON
    # Random passwords of a small minimum length take fewer, and chance words in them two places less.
    least = min(policy.min_length - 2, ENOUGH_GUESSES_LOG10)
    return Weakness.GUESSABLE if takes_few_guesses(whole, names, least, guesses_log10) else None


def objection(weakness: Weakness, password: str, policy: PasswordPolicy) -> Objection:
    """The weakness of ``password`` together with its advice."""
    # Only a short password is measured: normalising a long one takes quadratic time.
    length = len(normalise(password)) if weakness is Weakness.TOO_SHORT else 0
    numbers = {"missing": policy.min_length - length, "min_length": policy.min_length, "max_bytes": MAX_BYTES}
    return Objection(weakness, _ADVICE[weakness].format(**numbers))


def _names(email: str, host: str) -> tuple[str, ...]:
    local, _, domain = email.rpartition("@")
    return (SERVICE, local, domain, *domain.split("."), host, *host.split("."))
