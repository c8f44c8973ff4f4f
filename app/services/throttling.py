"""Throttling: the budgets that a guess or a refresh is charged to."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from app.crypto.device_tokens import DeviceTokens
from app.domain.throttling import Budget, Limit, ThrottlingPolicy, TooManyRequests, network_of
from app.storage.redis.throttling import FailureCounters


class Way(NamedTuple):
    """The budgets that a guess is charged to, and those that are cleared if it was right."""

    charged: tuple[Budget, ...]
    cleared: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class Throttle:
    """Charges guesses at passwords to the budgets of an account, a network and everyone.

    Accounts are counted by their address, whether or not they exist, under a keyed ``label`` of it. Devices
    that know the account by the same one of its passwords share a budget of their own.
    """

    counters: FailureCounters
    devices: DeviceTokens
    label: Callable[[str], str]
    policy: ThrottlingPolicy

    def ways(self, email: str, address: str | None, device: str | None) -> Iterator[Way]:
        """The ways to guess at the account with this address: as a known device, and then as a stranger.

        A sign-in from a known device does not clear the strangers' budget.
        """
        account, known = self._strangers(email), tuple[Budget, ...]()
        version = self.devices.password_version(device, email)
        if version is not None:
            known = (Budget("device", f"{account.key}/{version}", self.policy.account),)
            yield Way(known, cleared=known)
        network = Budget("address", network_of(address), self.policy.address)
        everyone = Budget("everyone", "", self.policy.everyone)
        yield Way((account, network, everyone), cleared=(account, *known))

    def password_change(self, session_id: UUID) -> Way:
        """The way in which a session guesses at the current password; every session has its own budget."""
        own = (Budget("password", str(session_id), self.policy.account),)
        return Way(own, cleared=own)

    async def charge(self, way: Way) -> None:
        """Charge a guess as if it had failed, or refuse with TooManyRequests and charge nothing."""
        await self.counters.charge(way.charged)

    async def refund(self, way: Way) -> None:
        """Take the charge back: the guess told nothing about the password."""
        await self.counters.settle(way.charged)

    async def clear(self, way: Way) -> None:
        """The guess was right: clear earlier failures, and refund what is charged to others' budgets too."""
        await self.counters.settle([one for one in way.charged if one not in way.cleared], way.cleared)

    async def unlock(self, email: str) -> bool:
        """Clear the strangers' failures at the account with this address; False without Redis."""
        await self.counters.settle((), [self._strangers(email)])
        return self.counters.is_shared

    def _strangers(self, email: str) -> Budget:
        return Budget("account", self.label(email), self.policy.account)


@dataclass(frozen=True, slots=True)
class RefreshThrottle:
    """Refuses refreshes after too many failed ones; a refresh that succeeds is never counted or delayed.

    Failures count per session, or per network where the token is not genuine: a stranger cannot close a
    session. Redis is asked only after a failure.
    """

    counters: FailureCounters
    limits: tuple[Limit, ...]

    def require_open(self, key: str) -> None:
        """Refuse with TooManyRequests while too many refreshes under this key have failed."""
        self.counters.require_open([self._budget(key)])

    async def failed(self, key: str) -> None:
        """Count a failure. If it uses up the budget, the next attempt is refused."""
        with suppress(TooManyRequests):
            await self.counters.charge([self._budget(key)])

    def _budget(self, key: str) -> Budget:
        return Budget("refresh", key, self.limits)
