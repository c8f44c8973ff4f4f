"""Servers fail under a steady load of refreshes, checks and logouts, and come back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import redis
from sqlalchemy import make_url

from tests.support.database import connect
from tests.support.depth import depth
from tests.support.load import CHEAP_SIGNATURES, Book, Load
from tests.support.people import Person, new_person
from tests.support.servers import PrivateServers, Service, migrate, private_pair
from tests.support.waiting import WELL, client_of, health, until

PEOPLE = 5
ROLE = "watchword"

CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watchword'"


class Replicas:
    """Two services on one pair of servers, one of them with two workers."""

    def __init__(self, pair: PrivateServers, services: list[Service], people: list[Person]) -> None:
        self.pair = pair
        self.services = services
        self.people = people

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Book]:
        """Under load, and well at the end."""
        async with Load(self.services, self.people).running() as book:
            await book.goes_on()
            yield book
            await until(self.are_well)
            book.excused = False
            await book.goes_on()

    async def are_well(self) -> bool:
        return [await self._health(service) for service in self.services] == [(200, WELL)] * 2

    async def say(self, status: int, **parts: str) -> None:
        """Come back when every replica says this of itself."""

        async def all_say() -> bool:
            said = [await self._health(service) for service in self.services]
            return all(code == status and parts.items() <= body.items() for code, body in said)

        await until(all_say)

    async def _health(self, service: Service) -> tuple[int, dict[str, str]]:
        async with client_of(service) as client:
            return await health(client)


@pytest.fixture(scope="module")
def pair() -> Iterator[PrivateServers]:
    with private_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
async def replicas(pair: PrivateServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicas]:
    sql = await connect(pair.servers.database_url)
    await sql.execute(f"CREATE ROLE {ROLE} LOGIN")
    await sql.execute(f"ALTER DATABASE postgres OWNER TO {ROLE}")
    # Unlike a superuser, the role may be given a limit of connections.
    url = make_url(pair.servers.database_url).set(username=ROLE).render_as_string()
    environment = pair.environment | CHEAP_SIGNATURES | {"AUTH_DATABASE_URL": url}
    await asyncio.to_thread(migrate, environment)
    people = [await new_person(sql) for _ in range(PEOPLE)]
    await sql.close()
    one = Service(environment, tmp_path_factory.mktemp("one"), workers=2)
    two = Service(environment, tmp_path_factory.mktemp("two"))
    with one, two:
        yield Replicas(pair, [one, two], people)


@contextmanager
def operator(pair: PrivateServers) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(pair.valkey.url, decode_responses=True) as client:
        yield client


async def test_redis_killed_and_restarted_empty_is_not_even_noticed(replicas: Replicas) -> None:
    async with replicas.used() as book:
        replicas.pair.valkey.kill()
        await replicas.say(200, redis="failing")
        await book.goes_on()
        await asyncio.to_thread(replicas.pair.valkey.start)
    assert book.outages == 0


async def test_redis_that_was_flushed_brings_nothing_back(replicas: Replicas) -> None:
    async with replicas.used() as book:
        for _ in range(3):
            with operator(replicas.pair) as redis_:
                redis_.flushall()
            await book.goes_on()
    assert book.outages == 0


@pytest.mark.requirement("E7")
@pytest.mark.parametrize("seconds", depth(1.5, 20))
async def test_redis_that_is_frozen_holds_no_request_up(replicas: Replicas, seconds: float) -> None:
    async with replicas.used() as book:
        with replicas.pair.valkey.paused():
            await replicas.say(200, redis="failing")
            await asyncio.sleep(seconds)
            await book.goes_on()
    assert book.outages == 0


@pytest.mark.parametrize("fault", ["read-only", "full", "without its replicas", "evicting"])
async def test_redis_that_refuses_to_write_is_not_read_either(replicas: Replicas, fault: str) -> None:
    with operator(replicas.pair) as redis_:

        def refuse(*, yes: bool) -> None:
            match fault:
                case "read-only":
                    redis_.replicaof(*(("127.0.0.1", "1") if yes else ("NO", "ONE")))
                case "full":
                    redis_.config_set("maxmemory", "1" if yes else "0")
                case "without its replicas":
                    redis_.config_set("min-replicas-to-write", "1" if yes else "0")
                case _:
                    redis_.config_set("maxmemory-policy", "allkeys-lru" if yes else "noeviction")

        async with replicas.used() as book:
            refuse(yes=True)
            await book.goes_on()
            await replicas.say(200, redis="failing")
            await book.goes_on()
            refuse(yes=False)
    assert book.outages == 0


async def test_postgres_killed_and_restarted_is_an_outage_and_nothing_else(replicas: Replicas) -> None:
    async with replicas.used() as book:
        book.excused = True
        replicas.pair.postgres.kill()
        await replicas.say(503, postgres="failing")
        await asyncio.to_thread(replicas.pair.postgres.start)
    assert book.outages > 0


@pytest.mark.requirement("E7")
@pytest.mark.parametrize("seconds", depth(1.5, 20))
async def test_postgres_that_is_frozen_is_an_outage_and_nothing_else(
    replicas: Replicas, seconds: float
) -> None:
    async with replicas.used() as book:
        book.excused = True
        with replicas.pair.postgres.paused():
            await asyncio.sleep(seconds)


async def test_postgres_out_of_connections_is_an_outage_and_nothing_else(replicas: Replicas) -> None:
    async with replicas.used() as book:
        book.excused = True
        sql = await connect(replicas.pair.servers.database_url)
        # The services meet the error of a full server, 53300, and no connection has to be made for it.
        await sql.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        await sql.execute(CUT_OFF)
        await book.goes_on()
        await sql.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        await sql.close()
    assert book.outages > 0


@pytest.mark.requirement("E6")
async def test_a_worker_that_is_killed_takes_no_session_with_it(replicas: Replicas) -> None:
    async with replicas.used() as book:
        book.excused = True
        workers = replicas.services[0].worker_processes()
        assert len(workers) == 2
        workers[0].send_signal(signal.SIGKILL)
        await book.goes_on()


async def test_replicas_that_are_stopped_and_started_lose_nothing(replicas: Replicas) -> None:
    async with replicas.used() as book:
        book.excused = True
        for service in replicas.services:
            service.keeps_its_port()
            assert await asyncio.to_thread(service.terminate) == 0
            await asyncio.to_thread(service.start)


def test_the_logs_have_no_unhandled_error(replicas: Replicas) -> None:
    for service in replicas.services:
        assert "Traceback" not in service.logs()
        assert "http.unhandled" not in service.logs()
