"""An attack: a token that must be refused, and the first rule that it breaks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from conformance.minting import Mint, Sign, members

LEEWAY = 30
MAX_TOKEN = 8192
Make: TypeAlias = Callable[[Mint], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """A token that must be refused."""

    reason: str
    """As ``Reason`` of the kit has it."""
    make: Make


def header(reason: str, **as_json: str | None) -> Attack:
    """A header that differs in these members."""
    return Attack(reason, lambda mint: mint.headed(**as_json))


def payload(reason: str, **as_json: str | None) -> Attack:
    """A payload that differs in these members."""
    return Attack(reason, lambda mint: mint.claiming(**as_json))


def signed(reason: str, sign: Callable[[Mint], Sign], **as_json: str | None) -> Attack:
    """A signature of another making."""
    return Attack(reason, lambda mint: mint.token(members(mint.header, **as_json), sign=sign(mint)))


def text(reason: str, rewrite: Callable[[str], str]) -> Attack:
    """Another spelling of a good token."""
    return Attack(reason, lambda mint: rewrite(mint.token()))
