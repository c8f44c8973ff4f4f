"""A failover of Redis that loses writes, under load: who signed out stays signed out, and no one else is."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from app.dev.servers import Servers
from tests.support.database import connect
from tests.support.load import CHEAP_SIGNATURES, Load
from tests.support.people import new_person
from tests.support.servers import PrivateServers, Service, environment_of, migrate
from tests.support.valkeys import Cluster, Watched, cluster, watched
from tests.support.waiting import WELL, client_of, health, until

pytestmark = pytest.mark.requirement("L2")

PEOPLE = 4


def fail_over_by_sentinels(servers: Watched) -> None:
    servers.primary.forgets(servers.replica)
    servers.primary.kill()
    servers.replica.resume()
    servers.await_failover()


def fail_over_in_the_cluster(servers: Cluster) -> None:
    servers.owner.forgets(servers.replica)
    servers.owner.kill()
    servers.replica.resume()
    servers.promote_replica()


@pytest.mark.parametrize(
    ("running", "fail_over"),
    [
        pytest.param(watched, fail_over_by_sentinels, id="Sentinel"),
        pytest.param(cluster, fail_over_in_the_cluster, id="Cluster"),
    ],
)
async def test_a_failover_that_loses_writes_brings_nothing_back(
    private_servers: PrivateServers,
    running: Callable[[], AbstractContextManager[Watched | Cluster]],
    fail_over: Callable[[Watched | Cluster], None],
    tmp_path: Path,
) -> None:
    database_url = private_servers.postgres.url
    with running() as servers:
        environment = environment_of(Servers(database_url, servers.url)) | CHEAP_SIGNATURES
        await asyncio.to_thread(migrate, environment)
        sql = await connect(database_url)
        people = [await new_person(sql) for _ in range(PEOPLE)]
        await sql.close()
        with Service(environment, tmp_path, workers=2) as service:

            async def is_well() -> bool:
                async with client_of(service) as client:
                    return await health(client) == (200, WELL)

            await until(is_well)
            async with Load([service], people).running() as book:
                await book.goes_on()
                await asyncio.to_thread(fail_over, servers)
                await until(is_well)
                await book.goes_on()
    assert book.outages == 0
