"""What the tests of races share: the service's parts in this process, and a look at who waits for whom."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from argon2 import PasswordHasher

from app.domain.sessions import ClientKind
from app.services.open_session import TokenPair
from app.settings import Settings
from app.storage.postgres.sessions import Visitor
from app.wiring import Service, open_service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person
from tests.support.processes import PATIENCE

# The cheapest hash there is: these races are in the database, and hashing is not what they are about.
CHEAP_HASH = PasswordHasher(memory_cost=8, time_cost=1, parallelism=1).hash(PASSWORD)
_CHEAP = {"password_hash_memory_kib": 8, "password_hash_time_cost": 1}


@asynccontextmanager
async def parts(environment: Mapping[str, str]) -> AsyncIterator[Service]:
    """The parts of a service with this environment, and with the cheapest of hashing."""
    names = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
    async with open_service(Settings.model_validate(names).model_copy(update=_CHEAP)) as service:
        yield service


@asynccontextmanager
async def inside(environment: Mapping[str, str]) -> AsyncIterator[Service]:
    """The same, with its keys loaded."""
    async with parts(environment) as service:
        await service.keys.load()
        yield service


async def sign_in(service: Service, person: Person) -> TokenPair:
    """A new session of a person with ``CHEAP_HASH``."""
    return await service.use_cases.login(
        person.email, PASSWORD, ClientKind.NATIVE, Visitor("192.0.2.1", "tests")
    )


def rounds(least: int, is_race: Callable[[], bool]) -> Iterator[int]:
    """So many rounds at least, and ten times as many at most, until each side has won."""
    for number in range(10 * least):
        if number >= least and is_race():
            return
        yield number


async def waiting(sql: Sql, number: int, *, unless: asyncio.Future[Any] | None = None) -> None:
    """Come back when so many statements wait for a lock, or when this one is done without."""
    query = """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    async with asyncio.timeout(PATIENCE):
        while await sql.fetchval(query) < number and not (unless and unless.done()):  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.002)
