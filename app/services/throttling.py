"""Throttling: charges guesses and failed refreshes to budgets."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from app.crypto.device_tokens import DeviceTokens
from app.domain.throttling import Budget, Limit, ThrottlingPolicy, TooManyRequests, network_of
from app.storage.redis.throttling import FailureCounters


class Way(NamedTuple):
    """The budgets that a guess is charged to, and those that are cleared when it was right."""

    charged: tuple[Budget, ...]
    cleared: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class Throttle:
    """Charges guesses at passwords to the budgets of an account, a network and everyone.

    An account is counted under the keyed ``label`` of its e-mail address, whether or not it exists. Known
    devices that last signed in with the same password version share a budget of their own.
    """

    counters: FailureCounters
    devices: DeviceTokens
    label: Callable[[str], str]
    policy: ThrottlingPolicy

    def ways(self, email: str, address: str | None, device: str | None) -> Iterator[Way]:
        """The ways to guess at the account with this address: as a known device, then as an unknown one.

        A sign-in from a known device does not clear the budget of unknown devices.
        """
        account, device_budgets = self._unknown_devices(email), tuple[Budget, ...]()
        version = self.devices.password_version(device, email)
        if version is not None:
            device_budgets = (Budget("device", f"{account.key}/{version}", self.policy.account),)
            yield Way(device_budgets, cleared=device_budgets)
        network = Budget("address", network_of(address), self.policy.address)
        everyone = Budget("everyone", "", self.policy.everyone)
        yield Way((account, network, everyone), cleared=(account, *device_budgets))

    def password_change(self, session_id: UUID) -> Way:
        """The way for a session to guess its account's password; every session has its own budget."""
        own = (Budget("password", str(session_id), self.policy.account),)
        return Way(own, cleared=own)

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

    async def unlock(self, email: str) -> bool:
        """Clear the failures of unknown devices at the account with this address; False without Redis."""
        await self.counters.settle((), [self._unknown_devices(email)])
        return self.counters.is_shared

    def _unknown_devices(self, email: str) -> Budget:
        return Budget("account", self.label(email), self.policy.account)


@dataclass(frozen=True, slots=True)
class RefreshThrottle:
    """Refuses refreshes after too many failed ones; a refresh that succeeds is never counted or delayed.

    Failures count per session, or per network when the token is forged. An attacker without a genuine token
    therefore cannot block a session. Redis is asked only after a failure.
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
