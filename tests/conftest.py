"""The suite runs on real servers: one PostgreSQL and one Valkey for the run, a database of each for a worker.

`AUTH_TEST_DATABASE_URL` and `AUTH_TEST_REDIS_URL` name other servers; there, each worker empties the Redis
database of its own number.
"""

from tests.support import untraced  # noqa: F401

# isort: split

import gc
import os
import signal
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from coverage import Coverage
from hypothesis import HealthCheck, settings

import app.domain.event_meanings
import app.main  # noqa: F401 - loaded here, while coverage is measured
from app.dev import Servers, embedded_servers
from tests.support.database import Sql, connect
from tests.support.people import Person, new_person
from tests.support.servers import (
    PrivateServers,
    Service,
    database,
    environment_of,
    migrate,
    private_pair,
    query,
    server_folder,
)
from tests.support.waiting import client_of

SHARED = pytest.StashKey[Servers]()
# Coverage is measured for these tests: they decide it, and it would double the time of the others.
MEASURED = ("cli/test_check_config", "crypto", "domain", "features", "services", "storage/postgres")
# `make test-slow` takes the second profile. Neither has a time limit: a busy machine is not an error.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", PATIENT, max_examples=50, derandomize=True)
settings.register_profile("deep", PATIENT, max_examples=1_000)
settings.load_profile("quick")
# These begin first, so that all workers are busy to the end.
LONGEST = (
    "faults/test_chaos",
    "house/test_bench",
    "dev/test_dev",
    "server/test_lifecycle",
    "storage/redis/test_revocations_cluster",
    "storage/redis/test_revocations_sentinel",
    "http/test_cross_site",
    "journeys/test_rotation_under_load",
    "journeys/test_refresh_family",
    "journeys/test_key_retirement",
    "journeys/test_rolling_restart",
    "attacks/test_hogging",
    "storage/redis/test_throttling",
    "journeys/test_guides",
    "journeys/test_hardened_container",
    "http/front/test_both_ways",
    "races/test_keys",
    "faults/test_failover",
    "attacks/test_naughty_strings",
    "faults/test_startup",
    "http/test_logout_everywhere",
    "faults/test_causes",
    "cli/test_accounts",
    "http/test_health",
    "journeys/test_poolers",
    "faults/test_key_crashes",
    "house/test_migrations",
    "attacks/test_leaks",
    "http/test_openapi",
    "races/test_refresh",
    "faults/test_log_unwritten",
)


def _shared(config: pytest.Config) -> Servers:
    """The servers of the whole run, which live until the process that started them is done."""
    if SHARED not in config.stash:
        database_url = os.environ.get("AUTH_TEST_DATABASE_URL", "")
        redis_url = os.environ.get("AUTH_TEST_REDIS_URL", "")
        if not (database_url and redis_url):
            stack = ExitStack()
            config.add_cleanup(stack.close)
            own = stack.enter_context(embedded_servers(stack.enter_context(server_folder()), durable=False))
            database_url, redis_url = database_url or own.database_url, redis_url or own.redis_url
        config.stash[SHARED] = Servers(database_url, redis_url)
    return config.stash[SHARED]


def pytest_configure() -> None:
    """Let Ctrl-C reach the tests and the processes that they start.

    A script's background job ignores SIGINT, and so would everything that it starts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # Until all tests are collected: most of what is made meanwhile stays.


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Trace nothing while the tests are collected: it would take twice as long."""
    measured = Coverage.current()
    if measured:
        measured.stop()
    result = yield
    if measured:
        measured.start()
    return result


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal out the longest files first, and leave all else in its order."""
    turns = {name: turn for turn, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turns.get(_name(item.path), len(LONGEST)))
    for item in items:
        if not _name(item.path).startswith(MEASURED):
            item.add_marker("no_cover")
    gc.freeze()  # What is there by now stays to the end: no search for garbage need look at it.
    gc.enable()


def _name(path: Path) -> str:
    """The path from the folder of the tests, without its suffix; tests of a kit have a longer one."""
    return Path(os.path.relpath(path, Path(__file__).parent)).with_suffix("").as_posix()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker of pytest-xdist, before it starts, where the controller's servers are."""
    shared = _shared(node.config)
    node.workerinput["servers"] = (shared.database_url, shared.redis_url)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """This worker's own database, empty, and its own Redis database."""
    told: dict[str, Any] = getattr(request.config, "workerinput", {})
    shared = Servers(*told["servers"]) if told else _shared(request.config)
    worker = told.get("workerid", "gw0")
    run = told.get("testrunuid", uuid.uuid4().hex)[:8]
    redis_url = f"{shared.redis_url.partition('?')[0]}?db={int(worker.removeprefix('gw'))}"
    with (
        database(shared.database_url, f"watchword_{run}_{worker}") as database_url,
        redis.Redis.from_url(redis_url) as client,
    ):
        client.flushdb()
        yield Servers(database_url, redis_url)
        client.flushdb()


@pytest.fixture(scope="session")
def environment(servers: Servers) -> dict[str, str]:
    """The AUTH_* variables of a service on this worker's servers; change a copy."""
    return environment_of(servers)


@pytest.fixture(scope="session")
def migrated(servers: Servers, environment: dict[str, str]) -> Iterator[Servers]:
    """This worker's servers, with the tables made by the migrations.

    Many services share them. Other keys would change what all of these publish.
    """
    migrate(environment)
    yield servers
    algorithms = query(servers.database_url, "SELECT algorithm FROM signing_keys")
    # The one that signs and the standby.
    assert algorithms in ([], ["RS256"] * 2), "a test that changes keys needs a database of its own"


@pytest.fixture
def empty_database(servers: Servers) -> Iterator[str]:
    """The URL of a database for one test, without any table."""
    with database(servers.database_url, f"watchword_{uuid.uuid4().hex}") as url:
        yield url


@pytest.fixture(scope="session")
def service(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service as a process, with one worker."""
    with Service(environment, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def private_servers() -> Iterator[PrivateServers]:
    """A pair of servers for one test, to kill, pause and start again."""
    with private_pair() as pair:
        yield pair


@pytest.fixture
async def sql(migrated: Servers) -> AsyncIterator[Sql]:
    """A connection of the test's own to this worker's database."""
    connection = await connect(migrated.database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of the service, which keeps no cookies of its own accord."""
    async with client_of(service) as client:
        yield client


@pytest.fixture
async def person(sql: Sql) -> Person:
    """A person with an account."""
    return await new_person(sql)
