"""How many status lists there are, read from Postgres."""

from dataclasses import dataclass

from app.domain.statuses import Status
from app.storage.postgres.database import Database

_LAST = "SELECT coalesce(pg_sequence_last_value('session_numbers'::regclass), 0) AS number"


@dataclass(frozen=True, slots=True)
class SessionNumbers:
    """The numbers that sessions have had so far."""

    database: Database

    async def newest_list(self) -> int:
        """The number of the list that the newest session is in; the first list has the number 0."""
        row = await self.database.row(_LAST)
        assert row is not None  # noqa: S101 - it reads no table
        return Status.of(row["number"]).list
