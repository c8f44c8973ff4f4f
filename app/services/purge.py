"""Deletes expired rows in small batches that block no request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from app.storage.postgres.database import BATCH
from app.storage.postgres.events import EventStore
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class Purge:
    """Deletes expired sessions and revocations, and events older than ``retention``."""

    sessions: SessionStore
    revocations: RevocationStore
    events: EventStore
    retention: timedelta

    async def __call__(self) -> int:
        """Delete all expired rows, unless another replica is doing so; returns the number of rows."""
        purges = (self.sessions.purge, self.revocations.purge, partial(self.events.purge, self.retention))
        return sum([await _to_the_end(purge) for purge in purges])


async def _to_the_end(purge: Callable[[], Awaitable[int]]) -> int:
    total = deleted = await purge()
    while deleted == BATCH:
        deleted = await purge()
        total += deleted
    return total
