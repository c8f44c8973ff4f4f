"""Migrations lock tables in the order in which requests do."""

import asyncio

from alembic import command

from app.storage.postgres.migrations import alembic_config
from tests.support.database import connect
from tests.support.waiting import until

# A former release was at this revision.
FORMER = "0008"
WAITS = """
SELECT count(*) > 0 FROM pg_locks
WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = 'sessions'::regclass
"""


def test_a_request_that_reads_sessions_and_then_revocations_breaks_no_migration(empty_database: str) -> None:
    """Else both would wait for each other, and Postgres would end the migration, or the request."""
    config = alembic_config(empty_database)
    command.upgrade(config, FORMER)

    async def beside() -> None:
        request, sql = await connect(empty_database), await connect(empty_database)
        try:
            async with request.transaction():
                await request.fetch("SELECT FROM sessions")
                migrating = asyncio.create_task(asyncio.to_thread(command.upgrade, config, "head"))
                await until(lambda: sql.fetchval(WAITS))
                await request.fetch("SELECT FROM revocations")
            await migrating
        finally:
            await request.close()
            await sql.close()

    asyncio.run(beside())
