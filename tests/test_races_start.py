"""Processes that start at once agree: on one schema, one signing key and one standby (security.md K3)."""

import asyncio
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier
from pathlib import Path

import httpx
import pytest

from tests.races import parts
from tests.servers import Service, app, migrate
from tests.sql import Sql, connect

AT_ONCE, ROUNDS = 8, 3
STARTED = 120.0  # Seconds that eight services may take to start on two cores.
KEYS = """
SELECT count(*) FILTER (WHERE activated_at IS NOT NULL AND superseded_at IS NULL) AS signing,
    count(*) FILTER (WHERE activated_at IS NULL) AS standing_by, count(*) AS all FROM signing_keys
"""

_together: list[Barrier] = []


@pytest.fixture
def fresh(empty_database: str, environment: dict[str, str]) -> dict[str, str]:
    """A service's environment on an empty database, and without Redis, which knows this worker's own."""
    return environment | {"AUTH_DATABASE_URL": empty_database, "AUTH_REDIS_URL": "redis://127.0.0.1:1/0"}


def begin(barrier: Barrier) -> None:
    """Keep in a new process what it is to wait at."""
    _together.append(barrier)


async def assert_one_pair_of_keys(sql: Sql) -> None:
    assert dict(await sql.fetchrow(KEYS) or ()) == {"signing": 1, "standing_by": 1, "all": 2}


def key_set(environment: Mapping[str, str]) -> bytes:
    """Load the keys at the same moment as all others do; the key set that this process would serve."""

    async def load() -> bytes:
        async with parts(environment) as service:
            await asyncio.to_thread(_together[0].wait, STARTED)
            await service.keys.load()
            return service.keys.key_set().document

    return asyncio.run(load())


async def test_processes_that_load_their_keys_at_once_make_one_pair(fresh: dict[str, str]) -> None:
    migrate(fresh)
    quickly_made = fresh | {"AUTH_SIGNING_ALGORITHM": "EdDSA"}
    sql = await connect(fresh["AUTH_DATABASE_URL"])
    spawn = multiprocessing.get_context("spawn")
    # The barrier also sees to it that each process takes one of the calls.
    with ProcessPoolExecutor(AT_ONCE, spawn, begin, (spawn.Barrier(AT_ONCE),)) as processes:
        for _ in range(ROUNDS):
            await sql.execute("TRUNCATE signing_keys")
            calls = [processes.submit(key_set, quickly_made) for _ in range(AT_ONCE)]
            served = {await asyncio.wrap_future(call) for call in calls}
            assert len(served) == 1
            await assert_one_pair_of_keys(sql)
    await sql.close()


async def test_services_that_start_at_once_serve_one_key_set(
    fresh: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.servers._READY_SECONDS", STARTED)
    migrate(fresh)
    services = []
    for number in range(AT_ONCE):
        folder = tmp_path / str(number)
        folder.mkdir()
        services.append(Service(fresh, folder))
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(stack.enter_context, services))
        async with httpx.AsyncClient(trust_env=False) as client:
            answers = [await client.get(f"{each.url}/.well-known/jwks.json") for each in services]
        stack.pop_all()
        list(threads.map(lambda each: each.terminate(), services))
    assert len({answer.raise_for_status().content for answer in answers}) == 1
    sql = await connect(fresh["AUTH_DATABASE_URL"])
    await assert_one_pair_of_keys(sql)
    await sql.close()


async def test_migrations_that_start_at_once_all_succeed(fresh: dict[str, str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        done = list(threads.map(lambda _: app("migrate", environment=fresh), range(AT_ONCE)))
    assert [(each.returncode, each.stderr) for each in done if each.returncode] == []
    sql = await connect(fresh["AUTH_DATABASE_URL"])
    assert await sql.fetchval("SELECT count(*) FROM alembic_version") == 1
    assert await sql.fetchval("SELECT count(*) FROM accounts") == 0
    await sql.close()
