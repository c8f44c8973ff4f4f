"""The readiness of a process."""

from app.services.health import Health, Readiness
from app.storage.postgres.database import Database, open_engine
from app.storage.redis.revocations import RevocationIndex
from app.wiring import Service
from tests.support.waiting import until


async def test_each_part_is_checked_independently(parts: Service) -> None:
    gone = open_engine("postgresql://nobody@127.0.0.1:1/nothing", pool_size=1)
    index = RevocationIndex("redis://127.0.0.1:1")
    healthy, broken = parts.use_cases.readiness, Readiness(Database(gone), parts.keys, index)
    await until(parts.revocations.reindex)
    assert await healthy() == Health(postgres=True, keys=True, redis=True)
    assert await broken() == Health(postgres=False, keys=True, redis=False)
    assert ((await healthy()).is_ready, (await broken()).is_ready) == (True, False)
    parts.keys.view = None
    assert await healthy() == Health(postgres=True, keys=False, redis=True)
    await index.close()
    await gone.dispose()
