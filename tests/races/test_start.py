"""Processes that start at once agree: on one schema, one signing key and one standby."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support.database import Sql, connect
from tests.support.processes import PATIENCE
from tests.support.servers import NO_TLS, Service, app, migrate

pytestmark = pytest.mark.requirement("K3")

AT_ONCE = 8
KEYS = """
SELECT count(*) FILTER (WHERE activated_at IS NOT NULL AND superseded_at IS NULL) AS signing,
    count(*) FILTER (WHERE activated_at IS NULL) AS standing_by, count(*) AS all FROM signing_keys
"""


@pytest.fixture
def fresh(empty_database: str, environment: dict[str, str]) -> dict[str, str]:
    """A service's environment on an empty database, and without Redis, which knows this worker's own."""
    return environment | {"AUTH_DATABASE_URL": empty_database, "AUTH_REDIS_URL": "redis://127.0.0.1:1/0"}


async def assert_one_pair_of_keys(sql: Sql) -> None:
    assert dict(await sql.fetchrow(KEYS) or ()) == {"signing": 1, "standing_by": 1, "all": 2}


async def test_services_that_start_at_once_serve_one_key_set(fresh: dict[str, str], tmp_path: Path) -> None:
    migrate(fresh)
    services = []
    for number in range(AT_ONCE):
        folder = tmp_path / str(number)
        folder.mkdir()
        services.append(Service(fresh, folder))
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(stack.enter_context, services))
        async with httpx2.AsyncClient(verify=NO_TLS, trust_env=False, timeout=PATIENCE) as client:
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
    assert await sql.fetchval("SELECT count(*) FROM watchword_alembic_version") == 1
    assert await sql.fetchval("SELECT count(*) FROM accounts") == 0
    await sql.close()
