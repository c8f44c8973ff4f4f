"""An account's own events, read from Postgres."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.domain.events import EventKind
from app.features.activity.domain import OwnEvent, Position
from app.storage.postgres.database import Database

# The first comparison of times bounds the scan of events_account_id_at_idx; the second one is exact.
EVENTS_BEFORE = """
SELECT id, at, kind, actor, reason, address, session_id FROM events
WHERE account_id = $1 AND kind = ANY($2::text[]) AND at <= $3 AND (at, id) < ($3, $4::bigint)
ORDER BY at DESC, id DESC LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class OwnEventStore:
    """Reads events; the core writes and purges them."""

    database: Database

    async def before(
        self, position: Position, account_id: UUID, kinds: Collection[EventKind], limit: int
    ) -> Sequence[OwnEvent]:
        """The account's last ``limit`` events of these kinds before a position, the newest first."""
        rows = await self.database.rows(
            EVENTS_BEFORE, account_id, list(kinds), position.at, position.id, limit
        )
        return [_event(row) for row in rows]


def _event(row: asyncpg.Record) -> OwnEvent:
    return OwnEvent(
        position=Position(row["at"], row["id"]),
        kind=EventKind(row["kind"]),
        actor=row["actor"],
        reason=row["reason"],
        address=row["address"],
        session_id=row["session_id"],
    )
