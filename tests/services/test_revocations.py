"""The revocation index, and what is logged when it is lost."""

from datetime import timedelta

import structlog

from app.dev.processes import claimed
from app.dev.servers import Servers, valkey
from app.services.revocations import Revocations
from app.storage.postgres.database import open_database
from app.storage.postgres.revocations import RevocationStore
from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.servers import ISSUER, Faulty, server_folder
from tests.support.waiting import until


async def test_the_loss_of_redis_is_logged_once(migrated: Servers) -> None:
    database = open_database(migrated.database_url, pool_size=1)
    with server_folder() as folder, claimed(folder), structlog.testing.capture_logs() as logs:
        server = Faulty(lambda: valkey(folder, durable=False))
        index = RevocationIndex(server.url, ISSUER)
        revocations = Revocations(RevocationStore(database), index, timedelta(minutes=15))
        await until(revocations.reindex)
        before = index.is_trusted
        server.kill()

        assert not await revocations.announce(["an id"])
        await revocations.reindex()
        await revocations.reindex()

        assert (before, index.is_trusted) == (True, False)
        await index.close()
    await database.close()
    # On a busy machine the first attempts to index may time out.
    assert [line["event"] for line in logs][-3:] == [
        "revocations.index_trusted",
        "revocations.not_indexed",
        "revocations.index_not_trusted",
    ]
    assert all("No such file" in line["reason"] or "Redis" in line["reason"] for line in logs[-2:])


class Judged(RevocationIndex):
    """An index whose looks end in these states, one after the other, and that takes no entry."""

    def __init__(self, *states: IndexState) -> None:
        super().__init__("redis://127.0.0.1:1/0", ISSUER)
        self._states = list(states)
        self.cause = "the cause"

    async def rebuild(self, changes: object) -> IndexState:
        return self._states.pop(0)

    async def add(self, entries: object) -> bool:
        return False


async def test_each_change_of_the_index_is_logged_with_its_reason() -> None:
    evicting, away, trusted = IndexState.EVICTING, IndexState.UNREACHABLE, IndexState.TRUSTED
    index = Judged(evicting, evicting, away, trusted, trusted)
    database = open_database("postgresql://127.0.0.1:1/nothing", pool_size=1)
    revocations = Revocations(RevocationStore(database), index, timedelta(minutes=15))
    assert revocations.trouble is None
    with structlog.testing.capture_logs() as logs:
        looks = [await revocations.reindex() for _ in range(5)]
        assert await revocations.announce([])
        assert not await revocations.announce(["an id"])
    assert looks == [False, False, False, True, True]
    assert revocations.trouble is None
    assert [(line["event"].removeprefix("revocations."), line.get("reason")) for line in logs] == [
        ("index_not_trusted", "Redis may evict entries: set maxmemory-policy noeviction"),
        ("index_not_trusted", "Redis does not answer, or refuses to write: the cause"),
        ("index_trusted", None),
        ("not_indexed", "the cause"),
    ]
    await index.close()
    await database.close()
