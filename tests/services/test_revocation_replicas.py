"""Several replicas share one index, and each learns what another one could not announce."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import redis

from app.dev.processes import claimed
from app.dev.servers import valkey
from app.services.revocations import Revocations
from app.storage.postgres.database import Database, open_database
from app.storage.postgres.revocations import RevocationStore, revoke_keys
from app.storage.redis.revocations import RevocationIndex
from tests.support.servers import ISSUER, Faulty, server_folder
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L2")

LASTS = timedelta(minutes=16)
MANY = 2500
NOWHERE = "redis://127.0.0.1:1/0"
Open = Callable[[str], Awaitable[Revocations]]


@pytest.fixture
def server() -> Iterator[Faulty]:
    with server_folder() as folder, claimed(folder):
        server = Faulty(lambda: valkey(folder, durable=False))
        yield server
        server.close()


@pytest.fixture
async def database(apart: dict[str, str]) -> AsyncIterator[Database]:
    """Nothing is revoked in it yet."""
    database = open_database(apart["AUTH_DATABASE_URL"], pool_size=2)
    await database.rows("DELETE FROM revocations")
    yield database
    await database.close()


@pytest.fixture
async def replica(database: Database) -> AsyncIterator[Open]:
    """Start one that uses the Redis of this URL."""
    async with AsyncExitStack() as closing:

        async def start(url: str) -> Revocations:
            index = RevocationIndex(url, ISSUER)
            closing.push_async_callback(index.close)
            return Revocations(RevocationStore(database), index, LASTS)

        yield start


async def end(database: Database, *ids: str) -> None:
    """Commit revocations without an announcement."""
    async with database.transaction() as connection:
        await revoke_keys(connection, ids, LASTS)


def entries_written(server: Faulty) -> int:
    """How many entries the server was given, by all replicas."""
    with redis.Redis.from_url(server.url) as operator:
        return int(operator.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"])


async def test_a_replica_learns_what_one_without_redis_could_not_announce(
    server: Faulty, database: Database, replica: Open
) -> None:
    well, idle, cut_off = await replica(server.url), await replica(server.url), await replica(NOWHERE)
    await until(well.reindex)
    await until(idle.reindex)
    await end(database, "a session")
    assert not await cut_off.announce(["a session"])
    assert await cut_off.any_revoked(["a session"])
    await until(well.reindex)
    for each in (well, idle, cut_off):
        assert await each.any_revoked(["a session"])
        assert not await each.any_revoked(["another"])
    assert await well.index.find(["a session"]) is await idle.index.find(["a session"]) is True


async def test_a_replica_that_starts_trusts_the_index_after_a_look_that_enters_nothing(
    server: Faulty, database: Database, replica: Open
) -> None:
    await end(database, *(f"session-{number}" for number in range(MANY)))
    await until((await replica(server.url)).reindex)
    before = entries_written(server)
    newcomer = await replica(server.url)
    assert await newcomer.index.find(["session-0"]) is None
    await until(newcomer.reindex)
    assert [await newcomer.index.find([f"session-{number}"]) for number in (0, MANY - 1, MANY)] == [
        True,
        True,
        False,
    ]
    assert entries_written(server) - before < MANY // 10


async def test_sessions_that_end_in_great_number_are_entered_once_for_all_replicas(
    server: Faulty, database: Database, replica: Open
) -> None:
    replicas = [await replica(server.url) for _ in range(4)]
    for each in replicas:
        await until(each.reindex)
    before = entries_written(server)
    for batch in range(3):
        await end(database, *(f"session-{batch}-{number}" for number in range(MANY)))
        for each in replicas:
            await until(each.reindex)
            await until(each.reindex)
    # Looks write a few keys of their own.
    assert 3 * MANY <= entries_written(server) - before < 3.1 * MANY
    for each in replicas:
        assert await each.index.find([f"session-2-{MANY - 1}"]) is True


async def test_after_redis_came_back_the_next_look_enters_what_was_revoked_meanwhile(
    server: Faulty, database: Database, replica: Open
) -> None:
    """It was only out of reach: it has its marker and all entries, and a replica that was idle trusts it."""
    busy, idle = await replica(server.url), await replica(server.url)
    for each in (busy, idle):
        await until(each.reindex)
    with server.paused():
        await end(database, "meanwhile")
        assert not await busy.announce(["meanwhile"])
        assert not await busy.reindex()
        assert await busy.any_revoked(["meanwhile"])
    await until(busy.reindex)
    assert await idle.any_revoked(["meanwhile"])
    assert await busy.index.find(["meanwhile"]) is await idle.index.find(["meanwhile"]) is True


async def test_a_flushed_index_is_whole_again_after_one_look(
    server: Faulty, database: Database, replica: Open
) -> None:
    await end(database, *(f"session-{number}" for number in range(MANY)))
    one, other = await replica(server.url), await replica(server.url)
    for each in (one, other):
        await until(each.reindex)
    with redis.Redis.from_url(server.url) as operator:
        operator.flushall()
    assert await one.any_revoked(["session-7"])
    assert one.index.is_trusted is False
    await until(one.reindex)
    found = [await one.index.find([f"session-{number}"]) for number in range(0, MANY, 100)]
    assert set(found) == {True}
    assert await one.index.find([f"session-{MANY}"]) is False
