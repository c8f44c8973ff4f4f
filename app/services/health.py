"""Readiness: whether this process can serve requests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from app.domain.refusals import Refused
from app.services.keys import KeyRing
from app.storage.postgres.database import Database
from app.storage.postgres.outages import Misconfigured
from app.storage.redis.revocations import RevocationIndex

_log = structlog.get_logger()


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
        except Misconfigured as error:
            _log.error("postgres.misconfigured", mend=error.mend)
            return False
        except Refused:
            return False
        return True

    def _can_sign(self) -> bool:
        try:
            self.keys.require_signer()
        except Refused:
            return False
        return True
