"""Readiness: whether this process can serve requests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.refusals import Unavailable
from app.services.keys import KeyRing
from app.services.outages import log_outage
from app.storage.postgres.database import Database
from app.storage.redis.revocations import RevocationIndex


class Health(NamedTuple):
    """Which parts work; without Redis and the log every request is served."""

    postgres: bool
    keys: bool
    redis: bool
    log: bool

    @property
    def is_ready(self) -> bool:
        """Whether requests can be served."""
        return self.postgres and self.keys


@dataclass(frozen=True, slots=True)
class Readiness:
    """Checks every part that serving a request needs."""

    database: Database
    keys: KeyRing
    index: RevocationIndex
    is_log_failing: Callable[[], bool]

    async def __call__(self) -> Health:
        """The current health."""
        return Health(
            await self._postgres(), self._can_sign(), self.index.is_trusted, not self.is_log_failing()
        )

    async def _postgres(self) -> bool:
        try:
            await self.database.ping()
        except Unavailable as error:
            log_outage(error)
            return False
        return True

    def _can_sign(self) -> bool:
        try:
            self.keys.require_signer()
        except Unavailable as error:
            log_outage(error)
            return False
        return True
