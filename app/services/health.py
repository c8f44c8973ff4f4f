"""Readiness: whether this process can serve requests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import structlog

from app.domain.clock import TOLERANCE, Clock, difference
from app.domain.refusals import Unavailable
from app.services.keys import KeyRing
from app.services.outages import log_outage
from app.storage.postgres.database import Database
from app.storage.redis.revocations import RevocationIndex

_log = structlog.get_logger()


class Health(NamedTuple):
    """Which parts work; without Redis and the log every request is served."""

    postgres: bool
    keys: bool
    clock: bool
    redis: bool
    log: bool

    @property
    def is_ready(self) -> bool:
        """Whether requests can be served."""
        return self.postgres and self.keys and self.clock


@dataclass(frozen=True, slots=True)
class Readiness:
    """Checks every part that serving a request needs.

    The clock may be ``leeway`` from that of Postgres, or else verifiers refuse the tokens that it dates.
    """

    database: Database
    keys: KeyRing
    index: RevocationIndex
    is_log_failing: Callable[[], bool]
    clock: Clock
    leeway: timedelta

    async def __call__(self) -> Health:
        """The current health; a clock that cannot be compared counts as right."""
        apart = await self._from_postgres()
        return Health(
            postgres=apart is not None,
            keys=self._can_sign(),
            clock=apart is None or self._is_right(apart),
            redis=self.index.is_trusted,
            log=not self.is_log_failing(),
        )

    async def _from_postgres(self) -> timedelta | None:
        """How far the clock is from that of Postgres, or None when Postgres cannot be used."""
        asked = self.clock()
        try:
            theirs = await self.database.ping()
        except Unavailable as error:
            log_outage(error)
            return None
        return difference(asked, theirs, self.clock())

    def _is_right(self, apart: timedelta) -> bool:
        if apart <= max(self.leeway, TOLERANCE):
            return True
        if log_outage.is_due("clock"):
            seconds = round(apart.total_seconds())
            _log.error(
                "clock.wrong", seconds=seconds, mend="set the clocks of this machine and of Postgres by NTP"
            )
        return False

    def _can_sign(self) -> bool:
        try:
            self.keys.require_signer()
        except Unavailable as error:
            log_outage(error)
            return False
        return True
