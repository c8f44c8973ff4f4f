"""The pool has a fixed size, waits for nothing without end, and lends no connection that is half used."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from app.domain.refusals import Unavailable
from app.storage.postgres import pool as pools
from app.storage.postgres.connections import Connector
from app.storage.postgres.database import Database
from app.storage.postgres.parameters import STATEMENT_TIMEOUT
from app.storage.postgres.pool import LOOK_EVERY, Pool
from tests.support.database import Sql
from tests.support.servers import PrivateServers
from tests.support.waiting import until

PID = "SELECT pg_backend_pid() AS pid"
ENDLESS = "SELECT pg_sleep(3600)"
LOOKS = int(STATEMENT_TIMEOUT / LOOK_EVERY)


@pytest.fixture
def one(environment: dict[str, str]) -> Database:
    """With one connection, so every statement has the same one until it is replaced."""
    return Database(Pool(Connector(environment["AUTH_DATABASE_URL"]).connect, 1))


@pytest.fixture(autouse=True)
async def closed(one: Database) -> AsyncIterator[None]:
    yield
    await one.close()


async def pid_of(database: Database) -> int:
    row = await database.row(PID)
    assert row is not None
    return int(row["pid"])


async def reason_of(outage: Awaitable[object]) -> str:
    """Why something is unavailable."""
    with pytest.raises(Unavailable) as refused:
        await outage
    return refused.value.reason


async def is_running(sql: Sql, statement: str) -> bool:
    found = await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query = $1", statement)
    return bool(found)


async def test_no_more_connections_are_opened_than_the_pool_has(environment: dict[str, str]) -> None:
    opened = 0

    async def counted() -> asyncpg.Connection:
        nonlocal opened
        opened += 1
        return await Connector(environment["AUTH_DATABASE_URL"]).connect()

    database = Database(Pool(counted, 3))
    pids = await asyncio.gather(*(pid_of(database) for _ in range(30)))
    assert (opened, len(set(pids))) == (3, 3)
    # The connection used last serves again, so those that are not needed stay idle.
    assert len({await pid_of(database) for _ in range(5)}) == 1
    await database.close()


async def test_a_caller_gives_up_when_no_connection_becomes_free(
    one: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "CONNECT_TIMEOUT", 0.05)
    async with one.pool.connection() as held:
        assert "none of the 1 connections to Postgres became free" in await reason_of(pid_of(one))
        pid = held.get_server_pid()
    assert await pid_of(one) == pid


async def test_callers_wait_in_turn_and_one_that_gives_up_takes_no_turn(one: Database) -> None:
    done = []

    async def use(name: str) -> None:
        await pid_of(one)
        done.append(name)

    async with one.pool.connection():
        tasks = [asyncio.create_task(use(name)) for name in ("first", "second", "third")]
        await asyncio.sleep(0)
        tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["first", "third"]


@pytest.mark.parametrize("is_usable", [True, False])
async def test_a_turn_that_comes_as_its_caller_gives_up_goes_to_the_next(
    one: Database, is_usable: bool
) -> None:
    held = await one.pool.take()
    pid = held.get_server_pid()
    late, next_one = (asyncio.create_task(pid_of(one)) for _ in range(2))
    await asyncio.sleep(0)
    if not is_usable:
        held.terminate()
    one.pool.give_back(held)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    assert (await next_one == pid) is is_usable
    assert await pid_of(one) == await pid_of(one)


async def test_a_cancelled_statement_leaves_no_connection_that_is_half_used(one: Database, sql: Sql) -> None:
    pid = await pid_of(one)
    task = asyncio.create_task(one.rows(ENDLESS))
    await until(lambda: is_running(sql, ENDLESS))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await pid_of(one) != pid


async def test_a_statement_that_postgres_refuses_costs_no_connection(one: Database) -> None:
    pid = await pid_of(one)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await one.rows("SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with one.transaction() as connection:
            await connection.fetch("SELECT 1 / 0")
    assert await pid_of(one) == pid
    async with one.pool.connection() as connection:
        assert not connection.is_in_transaction()


@pytest.mark.parametrize(
    "fault",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'cannot_connect_now'; END $$",
    ],
    ids=["cut off", "read-only", "starting"],
)
async def test_a_connection_is_replaced_after_an_outage(one: Database, fault: str) -> None:
    pid = await pid_of(one)
    assert await reason_of(one.rows(fault))
    assert await pid_of(one) != pid


async def test_a_connection_that_was_cut_off_while_idle_is_replaced_unnoticed(
    one: Database, sql: Sql
) -> None:
    async with one.pool.connection() as connection:
        pid = connection.get_server_pid()
    await sql.execute("SELECT pg_terminate_backend($1)", pid)

    async def is_noticed() -> bool:
        return connection.is_closed()

    await until(is_noticed)
    assert await pid_of(one) != pid


async def test_a_failure_to_connect_takes_no_place(environment: dict[str, str]) -> None:
    connectors = [Connector("postgresql://nobody@127.0.0.1:1/x"), Connector(environment["AUTH_DATABASE_URL"])]
    database = Database(Pool(lambda: connectors.pop(0).connect(), 1))
    assert "Connect call failed" in await reason_of(pid_of(database))
    assert await pid_of(database)
    await database.close()


@pytest.mark.requirement("E7")
@pytest.mark.parametrize("use", ["statement", "transaction"])
async def test_a_server_that_answers_nothing_is_given_up(
    private_servers: PrivateServers, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    monkeypatch.setattr(pools, "LOOK_EVERY", STATEMENT_TIMEOUT)
    database = Database(Pool(Connector(private_servers.servers.database_url).connect, 1))
    pid = await pid_of(database)
    with private_servers.postgres.paused():
        task = asyncio.create_task(_use(database, use))
        await asyncio.sleep(0)
        looking = asyncio.create_task(_look_until(database.pool, task.done))
        assert await reason_of(task) == "Postgres did not answer within 5 seconds"
        await looking
    assert await pid_of(database) != pid
    await database.close()


async def _use(database: Database, use: str) -> None:
    if use == "statement":
        await database.rows("SELECT 1")
    else:
        async with database.transaction() as connection:
            await connection.fetch("SELECT 1")


async def _look_until(pool: Pool, is_done: Callable[[], bool]) -> None:
    while not is_done():
        pool.look()
        await asyncio.sleep(0)


async def test_a_transaction_may_take_long_when_none_of_its_statements_does(one: Database) -> None:
    async with one.transaction() as connection:
        for _ in range(3 * LOOKS):
            one.pool.look()
            await connection.fetch("SELECT 1")
        for _ in range(LOOKS):
            one.pool.look()
        assert not connection.is_closed()
        await connection.fetch("SELECT 1")

    async def pause() -> None:
        async with one.transaction() as connection:
            for _ in range(LOOKS + 1):
                one.pool.look()
            await connection.fetch("SELECT 1")

    assert "did not answer" in await reason_of(pause())
    assert await pid_of(one)


async def test_a_closed_pool_closes_what_is_idle_now_and_what_is_in_use_when_it_comes_back(
    environment: dict[str, str],
) -> None:
    database = Database(Pool(Connector(environment["AUTH_DATABASE_URL"]).connect, 2))
    async with database.pool.connection() as idle, database.pool.connection():
        pass
    async with database.pool.connection() as in_use:
        idle = in_use
        async with database.pool.connection() as other:
            pass
        await database.close()
        assert (other.is_closed(), in_use.is_closed()) == (True, False)
        await in_use.fetch("SELECT 1")
    assert idle.is_closed()
