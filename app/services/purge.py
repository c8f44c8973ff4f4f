"""Deletes expired rows in small batches that block no request."""

from dataclasses import dataclass
from datetime import timedelta

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
        """Delete all expired rows, unless another replica is doing so; returns the number of rows.

        A table that cannot be purged does not keep the others from it; the last failure is raised at the end.
        """
        deleted, failure = 0, None
        for purge in (self.sessions.purge, self.revocations.purge, self._purge_events):
            try:
                deleted += await purge()
            except Exception as error:  # noqa: BLE001 - the other tables come first
                failure = error
        if failure is not None:
            raise failure
        return deleted

    async def _purge_events(self) -> int:
        return await self.events.purge(self.retention)
