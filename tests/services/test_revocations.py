"""The revocation index, and what is logged when it is lost."""

from datetime import timedelta

import structlog

from app.dev.processes import claimed
from app.dev.servers import Servers, valkey
from app.services.revocations import Revocations
from app.storage.postgres.database import open_database
from app.storage.postgres.revocations import RevocationStore
from app.storage.redis.revocations import RevocationIndex
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
