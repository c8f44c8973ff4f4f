"""Starting: the service waits for what is missing and may come, and says in one line what will not."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from tests.support.database import connect
from tests.support.people import login, me, new_person
from tests.support.processes import PATIENCE
from tests.support.servers import (
    NO_TLS,
    ROOT,
    PrivateServers,
    Service,
    app,
    free_port,
    migrate,
    process_environment,
)
from tests.support.waiting import WELL, answers, client_of, eventually, health, spawned, until

ABSENT = "postgresql://watchword:hunter2@127.0.0.1:1/watchword"


def test_postgres_that_does_not_come_is_awaited_and_then_told_in_one_line(
    environment: dict[str, str],
) -> None:
    done = app("serve", environment=environment | {"AUTH_DATABASE_URL": ABSENT, "AUTH_STARTUP_TIMEOUT": "2"})
    assert done.returncode == 1
    (said,) = done.stdout.splitlines()
    assert json.loads(said)["event"] == "postgres.awaited"
    assert json.loads(said)["variable"] == "AUTH_DATABASE_URL"
    assert "127.0.0.1" in json.loads(said)["reason"]
    (line,) = done.stderr.splitlines()
    assert "AUTH_DATABASE_URL" in line
    assert "hunter2" not in done.stdout + done.stderr


def test_a_database_that_does_not_exist_is_not_waited_for(environment: dict[str, str]) -> None:
    url = environment["AUTH_DATABASE_URL"].replace("/watchword_", "/misspelt_")
    done = app("serve", environment=environment | {"AUTH_DATABASE_URL": url, "AUTH_STARTUP_TIMEOUT": "600"})
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("AUTH_DATABASE_URL: ")
    assert "misspelt" in line
    assert "does not exist" in line


async def test_the_service_starts_once_postgres_comes_up(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    migrate(private_servers.environment)
    private_servers.postgres.kill()
    with spawned(private_servers.environment, tmp_path) as service:

        async def waits() -> bool:
            return "postgres.awaited" in service.logs()

        await until(waits)
        assert not await answers(service)
        private_servers.postgres.start()
        assert service.becomes_ready()
        async with client_of(service) as client:
            assert await health(client) == (200, WELL)
        assert "Traceback" not in service.logs()


async def test_sigterm_ends_the_wait_for_postgres(environment: dict[str, str], tmp_path: Path) -> None:
    absent = environment | {"AUTH_DATABASE_URL": ABSENT, "AUTH_STARTUP_TIMEOUT": "600"}
    with spawned(absent, tmp_path) as service:

        async def waits() -> bool:
            return "postgres.awaited" in service.logs()

        await until(waits)
        service.terminate()
        assert "Traceback" not in service.logs()


async def test_without_redis_the_service_serves_and_says_so(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    migrate(private_servers.environment)
    private_servers.valkey.kill()
    sql = await connect(private_servers.servers.database_url)
    person = await new_person(sql)
    with Service(private_servers.environment, tmp_path) as service:
        async with client_of(service) as client:
            degraded = WELL | {"redis": "failing"}
            assert await health(client) == (200, degraded)
            kept, ended = [(await login(client, person)).json() for _ in range(2)]
            left = await client.post("/logout", json={"refresh_token": ended["refresh_token"]})
            assert left.status_code == 204

            async def redis_is_back() -> bool:
                return (await health(client))[1]["redis"] == "ok"

            for bring_back in (None, private_servers.valkey.start):
                if bring_back:
                    bring_back()
                    await until(redis_is_back)
                assert (await me(client, kept["access_token"])).status_code == 200
                assert (await me(client, ended["access_token"])).status_code == 401
        assert "Traceback" not in service.logs()
    await sql.close()


def test_a_port_that_is_taken_is_told(migrated: object, environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = app("serve", "--port", port, environment=environment)
    assert done.returncode == 1
    (line,) = [line for line in (done.stdout + done.stderr).splitlines() if port in line]
    assert "in use" in line
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture(params=["python -m app", "the image's script"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    if request.param == "python -m app":
        return [sys.executable, "-m", "app"]
    (written,) = re.findall(
        r"printf '(#!.*)' \\\n +>/opt/venv/bin/watchword", (ROOT / "Dockerfile").read_text()
    )
    script = tmp_path / "watchword"
    script.write_text(written.replace("\\n", "\n"))
    return [sys.executable, str(script)]


def test_workers_load_the_program_themselves_and_share_all_processors_but_one_for_hashing(
    migrated: object, environment: dict[str, str], program: list[str]
) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*program, "serve", "--port", str(port), "--workers", "2"],
        cwd=ROOT,
        env=process_environment(environment | {"PYTHONPATH": str(ROOT)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx2.Client(verify=NO_TLS, trust_env=False, timeout=PATIENCE) as client:

            def is_ready() -> bool:
                assert process.poll() is None
                with suppress(httpx2.TransportError):
                    return client.get(f"http://127.0.0.1:{port}/readyz").is_success
                return False

            eventually(is_ready)

        def workers() -> list[psutil.Process]:
            children = psutil.Process(process.pid).children()
            return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

        eventually(lambda: len(workers()) == 2)
        threads = [worker.environ()["AUTH_PASSWORD_HASH_THREADS"] for worker in workers()]
        assert threads == [str(max(1, ((os.cpu_count() or 1) - 1) // 2))] * 2
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
