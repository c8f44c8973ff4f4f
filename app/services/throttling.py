"""Throttling: charges guesses and failed refreshes to budgets."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from uuid import UUID

from app.crypto.device_tokens import DeviceTokens
from app.domain.accounts import CanonicalEmail
from app.domain.throttling import (
    Budget,
    Holder,
    Limit,
    Network,
    Rule,
    ThrottlingPolicy,
    TooManyRequests,
    networks_of,
)
from app.storage.redis.throttling import FailureCounters

_ACCOUNT_HOLDS_ONE_IN, _NETWORK_HOLDS_ONE_IN = 4, 2


class Way(NamedTuple):
    """The budgets that a guess is charged to, and those that are cleared when it was right."""

    charged: tuple[Budget, ...]
    cleared: tuple[Budget, ...]


class Attempt(NamedTuple):
    """An attempt to guess: who holds its slot, and how to charge it."""

    holders: tuple[Holder, ...]
    ways: Callable[[], Awaitable[Sequence[Way]]]
    """Returns the ways to charge it, the first one first. It may read the account, so it needs the slot."""


class _Target(NamedTuple):
    """What an attempt is charged to: the account's budget of unknown devices, and the networks."""

    account: Budget
    networks: tuple[Network, ...]

    def holders(self, *, is_known: bool) -> tuple[Holder, ...]:
        """Strangers and those who know the account hold slots apart: neither takes the others' share."""
        kind = "known" if is_known else "account"
        return (
            Holder(f"{kind}/{self.account.key}", _ACCOUNT_HOLDS_ONE_IN),
            Holder(f"network/{self.networks[-1].key}", _NETWORK_HOLDS_ONE_IN),
        )


@dataclass(frozen=True, slots=True)
class Throttle:
    """Charges guesses at passwords to the budgets of an account, a network and everyone.

    An account is counted under the keyed ``label`` of its e-mail address in the canonical form, whether or
    not it exists.
    Callers who have proved before that they know the account, by a device token or a session, have budgets
    of their own for the account and the network. Their guesses are counted in those of strangers too, which
    do not refuse them: strangers cannot lock them out. There is no budget of all such callers together, since
    the owner of one account could use it up.
    """

    counters: FailureCounters
    devices: DeviceTokens
    label: Callable[[str], str]
    policy: ThrottlingPolicy

    def login(
        self,
        email: CanonicalEmail,
        address: str | None,
        device: str | None,
        current_version: Callable[[], Awaitable[int]],
    ) -> Attempt:
        """A login at the account with this address: as a known device, then as an unknown one.

        ``current_version`` returns the account's password version, and is called only for a device with a
        genuine token. It returns that of a new account where there is none.
        """
        target, claimed = self._target(email, address), self.devices.password_version(device, email)

        async def ways() -> Sequence[Way]:
            if claimed is None:
                return (self._strangers_way(target),)
            return self._known_device_ways(target, claimed, await current_version())

        return Attempt(target.holders(is_known=claimed is not None), ways)

    def password_change(self, session_id: UUID, email: CanonicalEmail, address: str | None) -> Attempt:
        """A guess of a session at its account's password; every session has its own budget."""
        target = self._target(email, address)

        async def ways() -> Sequence[Way]:
            return (self._known_way(Budget("password", str(session_id), self.policy.account), target),)

        return Attempt(target.holders(is_known=True), ways)

    async def charge(self, way: Way) -> None:
        """Charge a guess as if it had failed; refuses with TooManyRequests, and then charges nothing."""
        await self.counters.charge(way.charged)

    async def refund(self, way: Way) -> None:
        """Refund the charge of a guess that revealed nothing about the password."""
        await self.counters.settle(way.charged)

    async def clear(self, way: Way) -> None:
        """The guess was right: clear earlier failures, and refund the charge to shared budgets."""
        await self.counters.settle(
            [budget for budget in way.charged if budget not in way.cleared], way.cleared
        )

    async def unlock(self, email: CanonicalEmail) -> bool:
        """Clear the failures of unknown devices at the account with this address; False without Redis."""
        await self.counters.settle((), [self._account(email)])
        return self.counters.is_shared

    def _known_device_ways(self, target: _Target, claimed: int, current: int) -> Sequence[Way]:
        """A sign-in from a known device does not clear the budget of unknown devices."""
        # The holder of the service secret can write any version, so a version makes no budget of its own:
        # one that the account never had counts for nothing, and all former ones share a budget.
        if claimed > current:
            return (self._strangers_way(target),)
        key = str(claimed) if claimed == current else "former"
        device = Budget("device", f"{target.account.key}/{key}", self.policy.account)
        return (self._known_way(device, target), self._strangers_way(target, device))

    def _known_way(self, own: Budget, target: _Target) -> Way:
        counting = (budget.only_counting() for budget in (target.account, *self._budgets(target.networks)))
        return Way((own, *self._budgets(target.networks, "known/"), *counting), cleared=(own,))

    def _strangers_way(self, target: _Target, *own: Budget) -> Way:
        charged = (target.account, *self._budgets(target.networks), *_everyone(self.policy.everyone))
        return Way(charged, cleared=(target.account, *own))

    def _target(self, email: CanonicalEmail, address: str | None) -> _Target:
        return _Target(self._account(email), networks_of(address))

    def _account(self, email: CanonicalEmail) -> Budget:
        return Budget("account", self.label(email), self.policy.account)

    def _budgets(self, networks: Sequence[Network], known: str = "") -> list[Budget]:
        return [
            network._replace(key=known + network.key).budget("address", self.policy.address)
            for network in networks
        ]


@cache
def _everyone(limits: tuple[Limit, ...]) -> tuple[Budget, ...]:
    """The budgets of all strangers: half of what they may do is reserved for quiet networks."""
    return (
        Budget("everyone", "", limits, refuses=Rule.NOISY),
        Budget("everyone", "all", tuple(limit.times(2) for limit in limits)),
    )


@dataclass(frozen=True, slots=True)
class RefreshThrottle:
    """Refuses refreshes after too many failed ones; a refresh that succeeds is never counted or delayed.

    Failures count per session, or per network when the token is forged. An attacker without a genuine token
    therefore cannot block a session. Redis is asked only after a failure.
    """

    counters: FailureCounters
    limits: tuple[Limit, ...]

    def budgets(self, session_id: UUID | None, address: str | None) -> tuple[Budget, ...]:
        """The budgets of a refresh; ``session_id`` is None when the token is forged."""
        if session_id is not None:
            return (Budget("refresh", str(session_id), self.limits),)
        return tuple(network.budget("refresh", self.limits) for network in networks_of(address))

    def require_open(self, budgets: Sequence[Budget]) -> None:
        """Refuse with TooManyRequests while too many refreshes have failed."""
        self.counters.require_open(budgets)

    async def failed(self, budgets: Sequence[Budget]) -> None:
        """Count a failure. If it uses up a budget, the next attempt is refused."""
        with suppress(TooManyRequests):
            await self.counters.charge(budgets)
