"""Services with two workers and parts in this process, for races over the same servers."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.dev import Servers
from app.wiring import Service as Inside
from tests.support.database import Sql
from tests.support.people import Person, new_person
from tests.support.races import CHEAP_HASH, inside
from tests.support.servers import Service


@pytest.fixture(scope="module")
def service2(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service as a process, with two workers: as many as a race has sides."""
    with Service(environment, tmp_path_factory.mktemp("service2"), workers=2) as service:
        yield service


@pytest.fixture(scope="module")
async def front(migrated: Servers, environment: dict[str, str]) -> AsyncIterator[Inside]:
    """The parts of a service, in this process."""
    async with inside(environment) as front:
        yield front


@pytest.fixture
async def cheap_person(sql: Sql) -> Person:
    """A person whose password is verified in no time."""
    return await new_person(sql, password_hash=CHEAP_HASH)
