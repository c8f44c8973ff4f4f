"""The migration that gives revocations the number of their transaction, beside the release before."""

import asyncio

from alembic import command

from app.storage.postgres.migrations import alembic_config
from tests.house.test_migrations import look
from tests.support.database import Sql
from tests.support.servers import app

# As the release before writes them.
INSERT = "INSERT INTO revocations (id, expires_at) VALUES ($1, now() + interval '1 hour')"
AGAIN = " ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at"
FILE = "SELECT pg_relation_filenode('revocations')"
EXPIRED = """
INSERT INTO revocations (id, expires_at) SELECT number::text, now() FROM generate_series(1, 5) AS number
"""


def test_revocations_get_the_number_of_their_transaction_while_old_code_goes_on(empty_database: str) -> None:
    config = alembic_config(empty_database)
    command.upgrade(config, "0009")

    async def migrate_beside(sql: Sql) -> None:
        await sql.execute(INSERT, "before")
        before = await sql.fetchval(FILE)
        await asyncio.to_thread(command.upgrade, config, "0010")
        # No row was rewritten, so it does not matter how many there are.
        assert await sql.fetchval(FILE) == before
        async with sql.transaction():
            number = await sql.fetchval("SELECT pg_current_xact_id()::text")
            await sql.execute(INSERT, "after")
        await sql.execute(INSERT + AGAIN, "before")
        rows = await sql.fetch("SELECT id, tx::text FROM revocations ORDER BY id")
        assert [tuple(row) for row in rows] == [("after", number), ("before", "0")]

    look(empty_database, migrate_beside)
    command.downgrade(config, "0009")
    look(empty_database, lambda sql: sql.execute(INSERT, "later"))


def test_expired_rows_can_be_deleted_before_the_migration_to_0010(
    environment: dict[str, str], empty_database: str
) -> None:
    """With the command of the new release, since a former one could not delete them from large tables."""
    command.upgrade(alembic_config(empty_database), "0009")
    look(empty_database, lambda sql: sql.execute(EXPIRED))
    done = app("purge", environment=environment | {"AUTH_DATABASE_URL": empty_database})
    assert (done.returncode, done.stdout) == (0, "5 rows deleted\n"), done.stderr
