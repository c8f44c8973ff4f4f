"""Throttling: how many failures are allowed, and to which account or network they are charged.

A login is charged before its password is verified, so parallel guesses count like successive ones.
A login that did not fail gets its charge back. Devices that have signed in to the account before have a
budget of their own. An attacker uses up only the budget of unknown devices and cannot lock the owner out.
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from app.domain.refusals import Refusal, Refused

_SITE_PREFIX = 64
"""The IPv6 network of one customer (RFC 6177), who can use every address in it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``amount`` failures within any window of this length."""

    amount: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Budget:
    """Failures that count together: their kind, the key that they share, and how many are allowed."""

    name: str
    key: str
    limits: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class ThrottlingPolicy:
    """The limits of failed logins by account, by network and in total, and of failed refreshes."""

    account: tuple[Limit, ...]
    address: tuple[Limit, ...]
    everyone: tuple[Limit, ...]
    refresh: tuple[Limit, ...]


class TooManyRequests(Refused):
    """A budget is used up; this limit of it allows one more failure in ``opens_in`` whole seconds.

    ``is_news`` is true for this process's first refusal since the budget was open or in the last hour.
    """

    def __init__(self, budget: Budget, limit: Limit, opens_in: int, *, is_news: bool) -> None:
        super().__init__(Refusal.TOO_MANY_REQUESTS, retry_after=opens_in)
        self.budget = budget
        self.limit = limit
        self.opens_in = opens_in
        self.is_news = is_news


def network_of(address: str | None) -> str:
    """The network that failures are charged to: an IPv4 address, an IPv6 /64, or ``unknown`` for None."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _SITE_PREFIX), strict=False))
    return address
