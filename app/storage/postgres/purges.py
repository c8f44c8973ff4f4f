"""How expired rows are deleted: in batches that block no request, each found by an index."""

from datetime import datetime, timedelta

from app.storage.postgres.database import Database

AT_ONCE = 5000
"""How many rows one statement deletes: a tenth of a second, of which the commit is a small part."""
PURGING = 0x776174636869
"""The advisory lock under which old rows are deleted. The number only has to be unique in the database."""


def deletion(table: str, moment: str) -> str:
    """The statement that deletes a batch of the rows whose column ``moment`` is longer ago than $2.

    The batch begins at the time $1, or at the oldest row if that is null. Rows that another transaction
    locks are skipped, and nothing is deleted while another replica is deleting.

    Postgres uses the index of the column only because ``statement_timestamp()`` has one value for the
    statement. With ``clock_timestamp()``, which changes all the time, it would look at every row.
    """
    return f"""
DELETE FROM {table} WHERE id = ANY(ARRAY(
    SELECT id FROM {table}
    WHERE (SELECT pg_try_advisory_xact_lock({PURGING}))
        AND {moment} >= coalesce($1::timestamptz, '-infinity')
        AND {moment} < statement_timestamp() - $2::interval
    ORDER BY {moment} LIMIT {AT_ONCE} FOR UPDATE SKIP LOCKED
))
RETURNING {moment} AS moment
"""  # noqa: S608 - the only things put in are constants of ours


async def purge(database: Database, statement: str, older_than: timedelta) -> int:
    """Run a ``deletion`` until it finds no more rows; returns the number of rows.

    Each batch begins where the one before ended. The deleted rows stay in the index until they are vacuumed,
    and a long transaction elsewhere delays that: batches that began at the oldest row would pass over
    all of them again.
    """
    total, after = 0, None
    while True:
        moments: list[datetime] = [row["moment"] for row in await database.rows(statement, after, older_than)]
        total += len(moments)
        if len(moments) < AT_ONCE:
            return total
        after = max(moments)
