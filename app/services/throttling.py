"""Throttling: what may be tried, before it is."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID

from app.crypto.device_tokens import DeviceTokens
from app.domain.throttling import Budget, Limit, ThrottlingPolicy, TooManyRequests, network_of
from app.storage.redis.throttling import FailureCounters


class Way(NamedTuple):
    """Which budgets a guess is charged to, and which are forgotten if it was right."""

    charged: tuple[Budget, ...]
    forgotten: tuple[Budget, ...]


class Attempt:
    """A guess at a password, charged in advance as if it had failed already."""

    def __init__(self, counters: FailureCounters, way: Way) -> None:
        self._counters = counters
        self._way = way

    async def give_back(self) -> None:
        """Nothing was found out about the password."""
        await self._counters.settle(self._way.charged)

    async def succeeded(self) -> None:
        """It was right: failures before it are forgotten, and no address pays for it."""
        charged, forgotten = self._way
        await self._counters.settle([budget for budget in charged if budget not in forgotten], forgotten)


class Throttle:
    """Lets guesses at passwords through, so many of an account, from a network and from everywhere.

    Accounts are counted by their address, whether or not they exist, under a keyed ``label`` of it. A device
    that knows the account by one of its passwords shares a budget with the others that know the same one.
    """

    def __init__(
        self,
        counters: FailureCounters,
        devices: DeviceTokens,
        label: Callable[[str], str],
        policy: ThrottlingPolicy,
    ) -> None:
        self._counters = counters
        self._devices = devices
        self._label = label
        self._policy = policy

    def ways(self, email: str, address: str | None, device: str | None) -> Iterator[Way]:
        """The ways to guess at the account with this address: as a known device, and then as a stranger.

        That a known device signs in does not give the strangers another budget.
        """
        account, known = self._strangers(email), tuple[Budget, ...]()
        version = self._devices.password_version(device, email)
        if version is not None:
            known = (Budget("device", f"{account.key}/{version}", self._policy.account),)
            yield Way(known, forgotten=known)
        network = Budget("address", network_of(address), self._policy.address)
        everyone = Budget("everyone", "", self._policy.everyone)
        yield Way((account, network, everyone), forgotten=(account, *known))

    def password_change(self, session_id: UUID) -> Way:
        """The way in which a session's holder guesses at the current password; others have their own."""
        own = (Budget("password", str(session_id), self._policy.account),)
        return Way(own, forgotten=own)

    async def admit(self, way: Way) -> Attempt:
        """Let a guess through that way, or TooManyRequests."""
        await self._counters.charge(way.charged)
        return Attempt(self._counters, way)

    async def forget(self, email: str) -> bool:
        """Forget the failures of strangers at the account with this address; False without Redis."""
        await self._counters.settle((), [self._strangers(email)])
        return self._counters.is_shared

    def _strangers(self, email: str) -> Budget:
        return Budget("account", self._label(email), self._policy.account)


class RefreshThrottle:
    """Turns refreshes away whose kind has failed too often; one that succeeds is never counted nor held up.

    Failures are counted with those of the same session, or of the same network where the token is nobody's:
    no stranger closes a session. Redis is asked only when one has failed.
    """

    def __init__(self, counters: FailureCounters, limits: tuple[Limit, ...]) -> None:
        self._counters = counters
        self._limits = limits

    def require_open(self, whose: str) -> None:
        """Refuse with TooManyRequests while too many of these have failed."""
        self._counters.require_open([self._budget(whose)])

    async def failed(self, whose: str) -> None:
        """Count a failure; that it was one too many only the next one is told."""
        with suppress(TooManyRequests):
            await self._counters.charge([self._budget(whose)])

    def _budget(self, whose: str) -> Budget:
        return Budget("refresh", whose, self._limits)
