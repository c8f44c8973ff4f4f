"""Throttling: how many failures are allowed, and to which account or network they are charged.

A login is charged before its password is verified, so parallel guesses count like successive ones.
A login that did not fail gets its charge back. Devices that have signed in to the account before have
budgets of their own. An attacker uses up only the budgets of unknown devices and cannot lock the owner out.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple, Self

from app.domain.hosts import CUSTOMER_PREFIX
from app.domain.refusals import Refusal, Refused

# An IPv6 customer often has a /56 or a /48 (RFC 6177).
_GROWING_PREFIXES = {CUSTOMER_PREFIX: 1, 56: 4, 48: 16}
_QUIET = 100
"""A network is quiet while it had less than a hundredth of the failures that its longest limit allows."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``amount`` failures within any window of this length."""

    amount: int
    window: timedelta

    def times(self, factor: int) -> Self:
        """The limit for a network that is larger by this factor."""
        return replace(self, amount=self.amount * factor)

    @property
    def quiet(self) -> int:
        """The number of failures in the window from which on a network is not quiet any more."""
        return max(1, self.amount // _QUIET)


class Rule(Enum):
    """Which attempts a used up budget refuses."""

    EVERY = "every"
    NOISY = "noisy"
    """Those from networks that are not quiet."""
    NONE = "none"
    """The budget only counts."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Failures that count together: their kind, the key that they share, and how many are allowed.

    ``refuses`` and ``is_network`` describe the part that the budget plays in one attempt; the failures are
    the same. The budgets of an attempt that are a network say whether that network is quiet.
    """

    name: str
    key: str
    limits: tuple[Limit, ...]
    refuses: Rule = field(default=Rule.EVERY, compare=False)
    is_network: bool = field(default=False, compare=False)

    def only_counting(self) -> Self:
        """The same budget in an attempt that it does not refuse."""
        return replace(self, refuses=Rule.NONE)


@dataclass(frozen=True, slots=True)
class ThrottlingPolicy:
    """The limits of failed logins by account, by network and in total, and of failed refreshes."""

    account: tuple[Limit, ...]
    address: tuple[Limit, ...]
    everyone: tuple[Limit, ...]
    refresh: tuple[Limit, ...]


class Holder(NamedTuple):
    """An account or a network, which holds at most ``1 / one_in`` of the slots for hashing."""

    key: str
    one_in: int


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


class Network(NamedTuple):
    """A network that failures are charged to, and how many times the limits of one address it has."""

    key: str
    factor: int

    def budget(self, name: str, limits: tuple[Limit, ...]) -> Budget:
        """The budget of this network, given the limits of one address."""
        scaled = limits if self.factor == 1 else tuple(limit.times(self.factor) for limit in limits)
        return Budget(name, self.key, scaled, is_network=True)


def networks_of(address: str | None) -> tuple[Network, ...]:
    """The networks of an address, the widest last: an IPv4 address alone, or an IPv6 /64, /56 and /48.

    Clients without an address share the network ``unknown``.
    """
    if address is None:
        return (Network("unknown", 1),)
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        return tuple(
            Network(str(ip_network((parsed, prefix), strict=False)), factor)
            for prefix, factor in _GROWING_PREFIXES.items()
        )
    return (Network(address, 1),)
