"""The revocation store: the truth behind the index in Redis."""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta

import asyncpg

from app.domain.revocations import Changes, Kind, Revocation
from app.storage.postgres.connections import Connection
from app.storage.postgres.database import BATCH, Database
from app.storage.postgres.purges import deletion, purge

_FIND = "SELECT 1 FROM revocations WHERE id = ANY($1) AND expires_at > statement_timestamp()"
# Snapshots can be compared within one run of one server only. Another server, a promoted standby and a
# restored copy have started at another time. The last value changes after a crash too, which gives out again
# the numbers of transactions that were not yet on disk.
_POSITION = """
SELECT pg_current_snapshot()::text AS snapshot, concat_ws(
    '/', 'revocations'::regclass::oid,
    extract(epoch FROM pg_postmaster_start_time()), extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())
) AS epoch
"""
_ABOUT = "expires_at, expires_at - statement_timestamp() AS remaining, kind, subject, status, reason"
LIVE = f"""
SELECT id, expires_at AS place, {_ABOUT} FROM revocations
WHERE expires_at > statement_timestamp() AND (expires_at, id) > (coalesce($1::timestamptz, '-infinity'), $2)
ORDER BY expires_at, id LIMIT {BATCH}
"""  # noqa: S608 - the only thing put in is a constant of ours
"""A batch of what is revoked, after the place $1 and the id $2."""
CHANGED = f"""
SELECT id, tx::text AS place, {_ABOUT} FROM revocations
WHERE (tx, id) > (coalesce($1::text::xid8, pg_snapshot_xmin($3::text::pg_snapshot)), $2)
    AND tx < pg_snapshot_xmax($4::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(tx, $3::text::pg_snapshot) AND expires_at > statement_timestamp()
ORDER BY tx, id LIMIT {BATCH}
"""  # noqa: S608 - the only thing put in is a constant of ours
"""A batch of what was revoked between the snapshots $3 and $4, after the place $1 and the id $2."""
_SNAPSHOT = re.compile(r"\d+:\d+:[\d,]*")
_PURGE = deletion("revocations", "expires_at")
_ADD = """
INSERT INTO revocations (id, expires_at, kind) SELECT unnest($1::text[]), clock_timestamp() + $2::interval, $3
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, tx = excluded.tx
"""


class RevocationStore:
    """Revoked ids: a ``jti`` ends one token, a ``sid`` those of a session, a ``kid`` those of a key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, ids: Sequence[str]) -> bool:
        """Whether one of the ids is revoked."""
        return await self._database.row(_FIND, ids) is not None

    async def changes(self, since: str | None) -> Changes:
        """What was revoked since a position, or everything where that is None or of another server.

        Each row has the number of the transaction that wrote it (``tx``). A position is a snapshot: the
        numbers that were committed when it was taken. So a transaction that commits late, after
        transactions with higher numbers, is not skipped.
        """
        row = await self._database.row(_POSITION)
        assert row is not None  # noqa: S101 - it reads no table
        epoch, snapshot = row["epoch"], row["snapshot"]
        before = _snapshot_of(since, epoch)
        batches = self._batches(LIVE) if before is None else self._batches(CHANGED, before, snapshot)
        return Changes(f"{epoch} {snapshot}", batches, is_whole=before is None)

    async def _batches(self, statement: str, *snapshots: str) -> AsyncIterator[Mapping[str, Revocation]]:
        place, entry = None, ""
        while True:
            rows = await self._database.rows(statement, place, entry, *snapshots)
            yield {row["id"]: _revocation(row) for row in rows}
            if len(rows) < BATCH:
                return
            place, entry = rows[-1]["place"], rows[-1]["id"]

    async def purge(self) -> int:
        """Delete the expired entries; returns their number."""
        return await purge(self._database, _PURGE, timedelta())


def _revocation(row: asyncpg.Record) -> Revocation:
    return Revocation(
        lasts=row["remaining"],
        expires_at=row["expires_at"],
        kind=None if row["kind"] is None else Kind(row["kind"]),
        subject=row["subject"],
        status=row["status"],
        reason=row["reason"],
    )


def _snapshot_of(position: str | None, epoch: str) -> str | None:
    """The snapshot of a position, or None where it is not of this epoch."""
    of, _, snapshot = (position or "").partition(" ")
    return snapshot if of == epoch and _SNAPSHOT.fullmatch(snapshot) else None


async def revoke_keys(connection: Connection, kids: Iterable[str], lasts: timedelta) -> None:
    """Revoke keys in the transaction that deletes them."""
    await connection.fetch(_ADD, list(kids), lasts, Kind.KEY.value)
