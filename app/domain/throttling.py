"""Throttling: how many failures are let through, and whose they are.

A login is charged before its password is verified, so that guesses in parallel are counted like guesses in a
row; what did not fail is given back. Devices that signed in to the account before have a budget of their own:
whoever hammers an account from elsewhere uses up the strangers' and keeps its owner out of nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from app.domain.refusals import Refusal, Refused

_SITE_PREFIX = 64
"""One customer's IPv6 network (RFC 6177): whoever has an address there has them all."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many within any window of this length."""

    amount: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Budget:
    """Failures that count together: of what kind, whose, and how many are let through."""

    name: str
    key: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class ThrottlingPolicy:
    """How many failures are let through: of an account, from a network, from everywhere; of refreshes."""

    account: tuple[Limit, ...]
    address: tuple[Limit, ...]
    everyone: tuple[Limit, ...]
    refresh: tuple[Limit, ...]


class TooManyRequests(Refused):
    """A budget is used up; ``opens_in`` whole seconds from now this limit of it lets one more through.

    ``is_news`` when this process finds it closed for the first time since it was open, or for an hour.
    """

    def __init__(self, budget: Budget, limit: Limit, opens_in: int, *, is_news: bool) -> None:
        super().__init__(Refusal.TOO_MANY_REQUESTS, retry_after=opens_in)
        self.budget = budget
        self.limit = limit
        self.opens_in = opens_in
        self.is_news = is_news


def network_of(address: str | None) -> str:
    """Where an address counts: by itself, or by its /64; what has none counts together."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _SITE_PREFIX), strict=False))
    return address
