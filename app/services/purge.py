"""Deletes expired rows in small batches that block no request."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from app.storage.postgres.database import BATCH
from app.storage.postgres.events import EventStore
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.sessions import SessionStore


class Purge:
    """Deletes what can matter no more, in batches that nobody has to wait for."""

    def __init__(
        self,
        sessions: SessionStore,
        revocations: RevocationStore,
        events: EventStore,
        retention: timedelta,
    ) -> None:
        self._sessions = sessions
        self._revocations = revocations
        self._events = events
        self._retention = retention

    async def __call__(self) -> int:
        """Delete everything that may go, unless another replica is at it; answers how many rows went."""
        purges = (
            self._sessions.purge,
            self._revocations.purge,
            partial(self._events.purge, self._retention),
        )
        return sum([await _to_the_end(purge) for purge in purges])


async def _to_the_end(purge: Callable[[], Awaitable[int]]) -> int:
    total = deleted = await purge()
    while deleted == BATCH:
        deleted = await purge()
        total += deleted
    return total
