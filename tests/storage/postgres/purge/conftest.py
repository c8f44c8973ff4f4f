"""A database that no running service purges."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from app.dev import Servers
from app.wiring import Service as Parts
from tests.support.database import Sql, connect
from tests.support.people import Person, new_person
from tests.support.races import CHEAP_HASH, inside
from tests.support.servers import database, migrate


@pytest.fixture(scope="module")
def apart(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """With a database that no running service purges, and without the Redis of this worker."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        apart = environment | {"AUTH_DATABASE_URL": url, "AUTH_REDIS_URL": "redis://127.0.0.1:1/0"}
        migrate(apart)
        yield apart


@pytest.fixture
async def sql(apart: dict[str, str]) -> AsyncIterator[Sql]:
    """A connection to that database, which is emptied first."""
    connection = await connect(apart["AUTH_DATABASE_URL"])
    await connection.execute("TRUNCATE accounts, sessions, revocations")
    yield connection
    await connection.execute("DROP FUNCTION IF EXISTS brake CASCADE")
    await connection.close()


@pytest.fixture
async def holder(apart: dict[str, str]) -> AsyncIterator[Sql]:
    """Another connection, to hold locks for which others wait."""
    connection = await connect(apart["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def parts(apart: dict[str, str]) -> AsyncIterator[Parts]:
    async with inside(apart) as service:
        yield service


@pytest.fixture
async def someone(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)
