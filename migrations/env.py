"""Alembic's entry: connects as the service does, and lets one migration run at a time."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, func, select, text

from app.storage.postgres.migration_engine import open_migration_engine
from app.storage.postgres.migrations import ENGINE, FOUND, VERSION_TABLE, find_revision
from app.storage.postgres.tables import metadata

_ADVISORY_LOCK = 0x6D696772


def run(connection: Connection) -> None:
    """Migrate in one transaction, under a lock on which other replicas wait."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        version_table=VERSION_TABLE,
    )
    with context.begin_transaction():
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        # While a statement waits for its lock, every login queues behind it; so it gives up after a while.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.config.attributes[FOUND] = find_revision(context.get_context(), context.script)
        context.run_migrations()


async def main() -> None:
    """Connect and migrate."""
    given = context.config.attributes.get(ENGINE)
    engine = given or open_migration_engine(os.environ["AUTH_DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
