"""The service's parts in this process, so a test can replace one of them."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from app.dev import Servers
from app.settings import Settings, load
from app.wiring import Service, open_service
from tests.support.database import Sql, connect, limited
from tests.support.races import inside
from tests.support.servers import database, migrate


@pytest.fixture
async def parts(
    migrated: object, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """On this worker's servers, with the keys loaded."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with open_service(load(Settings)) as service:
        await service.keys.load()
        yield service


@pytest.fixture
async def strict(migrated: object, environment: dict[str, str]) -> AsyncIterator[Service]:
    """With small limits, and no failures counted."""
    async with limited(environment) as service:
        yield service


@pytest.fixture(scope="module")
def apart(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """With a database of its own, which no running service indexes: there, every session may end."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        apart = environment | {"AUTH_DATABASE_URL": url}
        migrate(apart)
        yield apart


@pytest.fixture
async def alone(apart: dict[str, str]) -> AsyncIterator[Service]:
    """The parts of a service on that database."""
    async with inside(apart) as service:
        yield service


@pytest.fixture
async def own_sql(apart: dict[str, str]) -> AsyncIterator[Sql]:
    """A connection to that database, which is emptied of sessions and of accounts."""
    connection = await connect(apart["AUTH_DATABASE_URL"])
    await connection.execute("TRUNCATE accounts, sessions, revocations")
    yield connection
    await connection.close()
