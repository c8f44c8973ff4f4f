"""Two replicas behind a balancer are restarted one after the other under load, and no request fails.

The balancer learns up to a quarter of a second late that a replica is going. It is tested wherever HAProxy
is, and under ``CI=true`` in any case: there its absence is a failure.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.database import connect
from tests.support.haproxy import Balancer, balanced, needs_haproxy
from tests.support.load import CHEAP_SIGNATURES, Load
from tests.support.people import new_person
from tests.support.servers import Service, migrate
from tests.support.waiting import until

pytestmark = [needs_haproxy, pytest.mark.requirement("E6")]

# The balancer needs a quarter of a second, and a busy machine some more.
SETTINGS = CHEAP_SIGNATURES | {"AUTH_DRAIN": "4", "AUTH_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
def replicas(empty_database: str, environment: dict[str, str], tmp_path: Path) -> Iterator[list[Service]]:
    own = environment | SETTINGS | {"AUTH_DATABASE_URL": empty_database}
    migrate(own)
    with ExitStack() as stack:
        folders = [tmp_path / str(number) for number in range(2)]
        for folder in folders:
            folder.mkdir()
        started = [stack.enter_context(Service(own, folder)) for folder in folders]
        yield started
        for service in started:
            service.kill()


@pytest.fixture
def balancer(replicas: list[Service], tmp_path: Path) -> Iterator[Balancer]:
    with balanced(replicas, tmp_path) as balancer:
        yield balancer


@pytest.fixture
async def load(balancer: Balancer, empty_database: str, tmp_path: Path) -> Load:
    front = Service({}, tmp_path)
    front.port = balancer.port
    sql = await connect(empty_database)
    people = [await new_person(sql) for _ in range(6)]
    await sql.close()
    return Load([front], people)


async def test_a_rolling_restart_loses_no_request(
    replicas: list[Service], balancer: Balancer, load: Load
) -> None:
    async with load.running() as book:
        await book.goes_on()
        for number, replica in enumerate(replicas):
            replica.keeps_its_port()
            assert await asyncio.to_thread(replica.terminate) == 0
            await asyncio.to_thread(replica.start)

            async def is_back(number: int = number) -> bool:
                return balancer.is_up(number)

            await until(is_back)
            await book.goes_on()
    assert book.outages == 0


async def test_sighup_replaces_all_workers_and_loses_no_request(replicas: list[Service], load: Load) -> None:
    async with load.running() as book:
        await book.goes_on()
        for replica in replicas:
            old = {worker.pid for worker in replica.worker_processes()}
            replica.process.send_signal(signal.SIGHUP)

            async def is_replaced(replica: Service = replica, old: set[int] = old) -> bool:
                return bool({worker.pid for worker in replica.worker_processes()} - old)

            await until(is_replaced)
            await book.goes_on(100)
    assert book.outages == 0
