"""How a service begins, ends and is replaced: its parent receives the signals, and its workers obey."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from app import __version__
from tests.support.connections import KEY_SET, Peer, peer
from tests.support.processes import PATIENCE
from tests.support.servers import (
    ROOT,
    TEST_SECRET,
    PrivateServers,
    Service,
    free_port,
    migrate,
    process_environment,
)
from tests.support.waiting import WELL, client_of, eventually, health, spawned, until

pytestmark = pytest.mark.requirement("E6")

READY = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ABSENT = "postgresql://watchword:hunter2@127.0.0.1:1/watchword"
LONG_DRAIN = {"AUTH_DRAIN": "5m"}


def told(service: Service, event: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in service.logs().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def pids(service: Service) -> set[int]:
    return {worker.pid for worker in service.worker_processes()}


async def drains(service: Service) -> None:
    """Wait until a connection is told that the service is going, and served nevertheless."""

    async def says_so() -> bool:
        async with client_of(service) as client:
            return (await health(client)) == (503, WELL | {"status": "draining"})

    await until(says_so)


async def is_let_go(kept: Peer) -> bool:
    """Whether the next answer is the last one of its connection."""
    await kept.send(KEY_SET)
    answer = await kept.answer()
    assert answer.status_code == 200
    return answer.headers.get("connection") == "close"


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def draining(
    request: pytest.FixtureRequest, migrated: object, environment: dict[str, str], tmp_path: Path
) -> Iterator[Service]:
    with Service(environment | LONG_DRAIN, tmp_path, workers=request.param) as service:
        yield service
        service.kill()


@pytest.mark.parametrize("to_all", [False, True], ids=["to the parent", "to all, as systemd does"])
async def test_a_service_that_is_going_says_so_and_serves_on(draining: Service, to_all: bool) -> None:
    async with peer(draining.port) as kept:
        await kept.send(KEY_SET)
        assert "connection" not in (await kept.answer()).headers
        if to_all:
            draining.send_signal(signal.SIGTERM)
        else:
            draining.process.terminate()
        # A balancer lets a connection go when an answer says so.
        await until(lambda: is_let_go(kept))
        assert await kept.rest() == b""
    await drains(draining)
    async with peer(draining.port) as new:
        await new.send(KEY_SET)
        assert (await new.answer()).status_code == 200
    assert len(pids(draining)) == draining.workers


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(draining: Service, second: signal.Signals) -> None:
    draining.process.terminate()
    await drains(draining)
    draining.send_signal(second)
    assert draining.process.wait(PATIENCE) == 128 + second
    assert "Traceback" not in draining.logs()


@pytest.mark.parametrize("drain", ["0", "1"])
def test_the_end_comes_after_the_drain(
    migrated: object, environment: dict[str, str], tmp_path: Path, drain: str
) -> None:
    with Service(environment | {"AUTH_DRAIN": drain}, tmp_path, workers=2) as service:
        assert service.terminate() == 0
        assert "Traceback" not in service.logs()


def test_ctrl_c_reaches_all_processes_and_ends_them_in_order(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    with Service(environment, tmp_path, workers=2) as service:
        workers = service.worker_processes()
        service.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE) == 0
        assert not any(worker.is_running() for worker in workers)
        assert "Traceback" not in service.logs()


async def test_a_request_in_flight_at_the_end_is_answered(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    with Service(environment, tmp_path) as service:
        async with peer(service.port) as half:
            await half.send(READY[:-2])
            eventually(lambda: "ESTABLISHED" in str(service.worker_processes()[0].net_connections()))
            async with peer(service.port) as silent:
                service.process.terminate()
                assert await silent.rest() == b""
            await half.send(READY[-2:])
            assert (await half.answer()).headers["connection"] == "close"
        assert service.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_replaces_workers_and_keeps_their_connections(
    migrated: object, environment: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with Service(environment, tmp_path, workers=workers) as service:
        old = pids(service)
        async with peer(service.port) as kept:
            await kept.send(KEY_SET)
            await kept.answer()
            service.process.send_signal(signal.SIGHUP)
            # Until then its worker stays, also when the others go.
            await until(lambda: is_let_go(kept))
            assert await kept.rest() == b""
        eventually(lambda: not pids(service) & old)
        eventually(lambda: told(service, "workers.replaced"))
        (replaced,) = told(service, "workers.replaced")
        assert replaced["workers"] == workers
        async with client_of(service) as client:
            assert await health(client) == (200, WELL)
        assert len(pids(service)) == workers
        assert service.terminate() == 0


async def test_a_worker_is_replaced_only_by_one_that_serves(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(TEST_SECRET)
    own = {name: value for name, value in environment.items() if name != "AUTH_SECRET_KEYS"}
    with Service(own | {"AUTH_SECRET_KEYS_FILE": str(secret)}, tmp_path) as service:
        old = pids(service)
        secret.write_text("guessable")
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: told(service, "workers.kept"))
        assert pids(service) == old
        assert not told(service, "workers.replaced")
        assert "AUTH_SECRET_KEYS: " in service.logs()
        secret.write_text(TEST_SECRET)
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: pids(service) and not pids(service) & old)
        eventually(lambda: told(service, "workers.replaced"))
        assert len(told(service, "workers.replaced")) == 1


@pytest.mark.parametrize("hangs", [False, True], ids=["waiting for Postgres", "frozen"])
def test_a_signal_during_a_replacement_begins_it_anew(
    migrated: object, environment: dict[str, str], tmp_path: Path, hangs: bool
) -> None:
    url = tmp_path / "url"
    url.write_text(environment["AUTH_DATABASE_URL"])
    own = {name: value for name, value in environment.items() if name != "AUTH_DATABASE_URL"}
    own |= {"AUTH_DATABASE_URL_FILE": str(url), "AUTH_STARTUP_TIMEOUT": "600"}
    with Service(own, tmp_path) as service:
        old = pids(service)
        url.write_text(ABSENT)
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: told(service, "postgres.awaited"))
        (waiting,) = pids(service) - old
        if hangs:
            psutil.Process(waiting).suspend()
        url.write_text(environment["AUTH_DATABASE_URL"])
        for _ in range(5):
            service.process.send_signal(signal.SIGHUP)
            # A request is answered, so the parent has had its turn.
            assert service.becomes_ready()
        eventually(lambda: told(service, "workers.replaced"))
        eventually(lambda: not pids(service) & old)
        assert len(pids(service) - {waiting}) == 1
        assert (waiting in pids(service)) == hangs
        assert len(told(service, "workers.replaced")) == 1
        assert not told(service, "workers.kept")
        assert service.terminate() == 0


def test_a_signal_before_the_first_worker_serves_begins_it_anew(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    migrate(private_servers.environment)
    private_servers.postgres.kill()
    with spawned(private_servers.environment | {"AUTH_STARTUP_TIMEOUT": "600"}, tmp_path) as service:
        eventually(lambda: told(service, "postgres.awaited"))
        first = pids(service)
        assert len(first) == 1
        service.process.send_signal(signal.SIGHUP)
        eventually(lambda: pids(service) and not pids(service) & first)
        private_servers.postgres.start()
        assert service.becomes_ready()
        assert not told(service, "workers.kept")
        assert service.terminate() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_cannot_be_started_is_tried_again(
    migrated: object, environment: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with Service(environment | LONG_DRAIN, tmp_path, workers=workers) as service:
        parent = psutil.Process(service.process.pid)
        before = parent.rlimit(psutil.RLIMIT_NOFILE)
        parent.rlimit(psutil.RLIMIT_NOFILE, (3, before[1]))
        service.worker_processes()[0].kill()
        eventually(lambda: told(service, "worker.not_started"))
        (line,) = told(service, "worker.not_started")
        assert line["reason"] == "Too many open files"
        assert len(pids(service)) == workers - 1
        parent.rlimit(psutil.RLIMIT_NOFILE, before)
        eventually(lambda: len(pids(service)) == workers)
        assert service.becomes_ready()
        assert "Traceback" not in service.logs()
        service.kill()


async def test_a_service_that_lacks_a_worker_drains_too(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    with Service(environment | LONG_DRAIN, tmp_path, workers=2) as service:
        parent = psutil.Process(service.process.pid)
        parent.rlimit(psutil.RLIMIT_NOFILE, (3, 3))
        service.worker_processes()[0].kill()
        eventually(lambda: told(service, "worker.not_started"))
        service.process.terminate()
        await drains(service)
        service.kill()


def test_a_service_whose_first_worker_cannot_be_started_ends_with_one_line(
    environment: dict[str, str],
) -> None:
    few_files = 'ulimit -n 8; exec "$0" -m app serve --port "$1"'
    done = subprocess.run(
        ["sh", "-c", few_files, sys.executable, str(free_port())],
        cwd=ROOT,
        env=process_environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (line,) = [line for line in lines if line["event"] != "connections.few_files"]
    assert (line["event"], line["reason"]) == ("worker.not_started", "Too many open files")


def test_a_worker_that_is_killed_is_replaced(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    with Service(environment, tmp_path) as service:
        (worker,) = service.worker_processes()
        worker.kill()
        assert worker.wait(PATIENCE) == -signal.SIGKILL or not worker.is_running()
        eventually(lambda: pids(service))
        assert service.becomes_ready()
        assert told(service, "worker.ended") == [told(service, "worker.ended")[0] | {"status": -9}]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_end_with_their_parent(
    migrated: object, environment: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with Service(environment, tmp_path, workers=workers) as service:
        left = service.worker_processes()
        service.process.kill()
        service.process.wait(PATIENCE)
        _, alive = psutil.wait_procs(left, PATIENCE)
        assert not alive
        with closing(socket.create_server(("127.0.0.1", service.port))):
            pass


def test_a_worker_that_has_not_begun_to_serve_ends_with_its_parent_too(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with spawned(
        environment | {"AUTH_DATABASE_URL": ABSENT, "AUTH_STARTUP_TIMEOUT": "600"}, tmp_path
    ) as service:
        eventually(lambda: told(service, "postgres.awaited"))
        left = service.worker_processes()
        service.process.kill()
        _, alive = psutil.wait_procs(left, PATIENCE)
        assert not alive


async def test_an_idle_connection_is_kept_for_as_long_as_the_setting_says(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    with Service(environment | {"AUTH_KEEP_ALIVE": "1"}, tmp_path) as service:
        async with peer(service.port) as idle:
            await idle.send(READY)
            assert "connection" not in (await idle.answer()).headers
            assert await idle.rest() == b""


@pytest.mark.parametrize("workers", [1, 2])
def test_one_line_says_at_the_start_what_serves_where(
    migrated: object, environment: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with Service(environment, tmp_path, workers=workers) as service:
        eventually(lambda: told(service, "serve.started"))
        (line,) = told(service, "serve.started")
        assert (line["version"], line["workers"]) == (__version__, workers)
        assert line["address"] == f"127.0.0.1:{service.port}"
        database = environment["AUTH_DATABASE_URL"].partition("?")[0].rpartition("/")[2]
        assert str(line["postgres"]).endswith(f"/{database}")
        assert str(line["redis"]) in environment["AUTH_REDIS_URL"]
        assert "?" not in str(line)


class Listening(Service):
    """A service that is told by its settings where to listen."""

    def options(self) -> list[str]:
        return []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("host", ["::", "127.0.0.1", "localhost"])
async def test_the_setting_says_where_to_listen_and_two_colons_mean_both_families(
    migrated: object, environment: dict[str, str], tmp_path: Path, host: str, workers: int
) -> None:
    port = free_port()
    listen = {"AUTH_LISTEN": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
    # Kubernetes sets these for a Service called auth.
    links = {
        "AUTH_PORT": "tcp://10.96.0.12:8000",
        "AUTH_SERVICE_HOST": "10.96.0.12",
        "AUTH_SERVICE_PORT": "8000",
        "AUTH_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    }
    with Listening(environment | listen | links, tmp_path, workers=workers, port=port):
        for address in ("127.0.0.1", "::1") if host == "::" else ("127.0.0.1",):
            client = await Peer.to(port, host=address)
            await client.send(READY)
            assert (await client.answer()).json() == WELL
            await client.close()
