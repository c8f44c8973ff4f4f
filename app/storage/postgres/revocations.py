"""The revocation store: the truth behind the index in Redis."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from app.storage.postgres.connections import Connection
from app.storage.postgres.database import Database
from app.storage.postgres.purges import deletion, purge

_FIND = "SELECT 1 FROM revocations WHERE id = ANY($1) AND expires_at > statement_timestamp()"
_LIVE = """
SELECT id, expires_at - statement_timestamp() AS remaining FROM revocations
WHERE expires_at > statement_timestamp()
"""
_PURGE = deletion("revocations", "expires_at")
_ADD = """
INSERT INTO revocations (id, expires_at) SELECT unnest($1::text[]), clock_timestamp() + $2::interval
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at
"""


class RevocationStore:
    """Revoked ids: a ``jti`` ends one token, a ``sid`` those of a session, a ``kid`` those of a key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, ids: Sequence[str]) -> bool:
        """Whether one of the ids is revoked."""
        return await self._database.row(_FIND, ids) is not None

    async def live(self) -> dict[str, timedelta]:
        """Every revoked id whose tokens might not have expired, with the time until it is forgotten."""
        return {row["id"]: row["remaining"] for row in await self._database.rows(_LIVE)}

    async def purge(self) -> int:
        """Delete the expired entries; returns their number."""
        return await purge(self._database, _PURGE, timedelta())


async def revoke(connection: Connection, ids: Iterable[str], lasts: timedelta) -> None:
    """Revoke ids in the transaction that ends what they name."""
    await connection.fetch(_ADD, list(ids), lasts)
