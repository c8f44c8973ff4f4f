"""The readiness of a process."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import structlog
from alembic import command

import app.services.health
from app.services.health import Health
from app.services.outages import OutageLog
from app.storage.postgres.database import open_database
from app.storage.postgres.migrations import alembic_config
from app.storage.redis.revocations import RevocationIndex
from app.wiring import Service, utc_now
from tests.support.servers import ISSUER
from tests.support.waiting import until


async def test_each_part_is_checked_independently(parts: Service) -> None:
    gone = open_database("postgresql://nobody@127.0.0.1:1/nothing", pool_size=1)
    index = RevocationIndex("redis://127.0.0.1:1", ISSUER)
    healthy = parts.use_cases.readiness
    broken = replace(healthy, database=gone, index=index, is_log_failing=lambda: True)
    await until(parts.revocations.reindex)
    assert await healthy() == Health(postgres=True, keys=True, clock=True, redis=True, log=True)
    assert await broken() == Health(postgres=False, keys=True, clock=True, redis=False, log=False)
    assert ((await healthy()).is_ready, (await broken()).is_ready) == (True, False)
    parts.keys.view = None
    assert await healthy() == Health(postgres=True, keys=False, clock=True, redis=True, log=True)
    await index.close()
    await gone.close()


async def test_tables_of_the_previous_release_are_not_ready_and_the_log_says_what_to_do(
    parts: Service, empty_database: str
) -> None:
    """A rolling update that forgot `migrate` must not replace replicas that work."""
    await asyncio.to_thread(command.upgrade, alembic_config(empty_database), "0002")
    database = open_database(empty_database, pool_size=1)
    with structlog.testing.capture_logs() as logs:
        health = await replace(parts.use_cases.readiness, database=database)()
    await database.close()
    assert (health.postgres, health.is_ready) == (False, False)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("postgres.misconfigured", "error")
    assert line["mend"] == "run: python -m app migrate"


@pytest.mark.parametrize(
    ("seconds", "leeway", "is_right"),
    [(0, 0, True), (25, 30, True), (-25, 30, True), (60, 30, False), (-60, 30, False), (15, 0, False)],
)
async def test_a_clock_that_is_off_by_more_than_the_leeway_is_not_ready_and_the_log_says_so(
    parts: Service, monkeypatch: pytest.MonkeyPatch, seconds: int, leeway: int, is_right: bool
) -> None:
    monkeypatch.setattr(app.services.health, "log_outage", OutageLog())

    def clock() -> datetime:
        return utc_now() + timedelta(seconds=seconds)

    readiness = replace(parts.use_cases.readiness, clock=clock, leeway=timedelta(seconds=leeway))
    with structlog.testing.capture_logs() as logs:
        health = await readiness()
        await readiness()
    assert (health.clock, health.is_ready) == (is_right, is_right)
    assert [line["event"] for line in logs] == ([] if is_right else ["clock.wrong"])
    for line in logs:
        assert abs(line["seconds"] - abs(seconds)) <= 5
        assert "NTP" in line["mend"]
