"""What the tests of races share: the service's parts in this process, and a look at who waits for whom."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from argon2 import PasswordHasher

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.settings import Settings
from app.wiring import Service, open_service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person
from tests.support.processes import PATIENCE

# The cheapest hash there is: these races are in the database, and hashing is not what they are about.
CHEAP_HASH = PasswordHasher(memory_cost=8, time_cost=1, parallelism=1).hash(PASSWORD)
_CHEAP = {"password_hash_memory_kib": 8, "password_hash_time_cost": 1}
_STEP = 0.002  # Seconds.

T = TypeVar("T")
U = TypeVar("U")


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
    """So many rounds at least, and at most a hundred more until each side has won."""
    for number in range(least + 100):
        if number >= least and is_race():
            return
        yield number


class Race:
    """Starts two sides at about the same moment, and holds the winner of the last round back.

    However fast the machine is and whichever side has less to do, both sides win soon.
    """

    def __init__(self, seed: object) -> None:
        self._chance = random.Random(str(seed))
        self._held, self._step = 0.0, _STEP
        self._first_won: bool | None = None

    async def run(self, first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
        """The outcomes of both sides."""
        jitter = self._chance.uniform(-_STEP, _STEP)
        return await asyncio.gather(
            _after(max(0.0, self._held + jitter), first), _after(max(0.0, -self._held - jitter), second)
        )

    def won(self, *, first: bool) -> None:
        """Note which side won the round. A side that wins again and again is held back for ever longer."""
        self._step = 2 * self._step if first is self._first_won else _STEP
        self._held += self._step if first else -self._step
        self._first_won = first


async def _after(seconds: float, work: Awaitable[T]) -> T:
    await asyncio.sleep(seconds)
    return await work


async def waiting(sql: Sql, number: int, *, unless: asyncio.Future[Any] | None = None) -> None:
    """Come back when so many statements wait for a lock, or when this one is done without."""
    query = """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    async with asyncio.timeout(PATIENCE):
        while await sql.fetchval(query) < number and not (unless and unless.done()):  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.002)
