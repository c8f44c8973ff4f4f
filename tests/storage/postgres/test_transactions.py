"""A transaction is committed whole or not at all, and leaves no connection that is half used."""

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest

from app.domain.refusals import Unavailable
from app.storage.postgres.connections import Connector
from app.storage.postgres.database import Database
from app.storage.postgres.pool import Pool
from tests.support.database import Sql
from tests.support.waiting import until

ENDLESS = "SELECT pg_sleep(3600)"
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND pid <> pg_backend_pid()"


@pytest.fixture
async def one(environment: dict[str, str]) -> AsyncIterator[Database]:
    """With one connection, so every transaction has the same one until it is replaced."""
    database = Database(Pool(Connector(environment["AUTH_DATABASE_URL"]).connect, 1))
    yield database
    await database.close()


async def reason_of(outage: Awaitable[object]) -> str:
    """Why something is unavailable."""
    with pytest.raises(Unavailable) as refused:
        await outage
    return refused.value.reason


async def test_a_cancelled_transaction_is_rolled_back(one: Database, sql: Sql) -> None:
    await one.rows("CREATE TEMPORARY TABLE kept (id int)")

    async def change() -> None:
        async with one.transaction() as connection:
            await connection.fetch("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
            await connection.fetch(ENDLESS)

    task = asyncio.create_task(change())
    await until(lambda: is_running(sql))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The lock is free, and the session with its temporary table is gone.
    await sql.fetch("SELECT FROM accounts LIMIT 1")
    assert '"kept" does not exist' in await reason_of(one.rows("SELECT FROM kept"))


async def is_running(sql: Sql) -> bool:
    return bool(await sql.fetchval(RUNNING, ENDLESS))


async def test_a_column_whose_type_a_migration_changes_is_an_outage_at_most(one: Database, sql: Sql) -> None:
    async def read() -> object:
        async with one.transaction() as connection:
            return await connection.fetchval("SELECT value FROM changing")

    await sql.execute("CREATE TABLE changing AS SELECT 1 AS value")
    try:
        assert await read() == 1
        await sql.execute("ALTER TABLE changing ALTER COLUMN value TYPE text")
        assert "cached statement plan is invalid" in await reason_of(read())
        assert await read() == "1"
    finally:
        await sql.execute("DROP TABLE changing")
