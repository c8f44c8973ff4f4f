"""A log that cannot be written costs lines of the log, and no answer."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, bearing, login, new_person
from tests.support.processes import PATIENCE, Process
from tests.support.servers import ROOT, Service, free_port, process_environment
from tests.support.waiting import answers, client_of, health, until

pytestmark = pytest.mark.requirement("E9")

GRACE = 30.0
"""Seconds that an orchestrator gives after SIGTERM."""
JWKS = "/.well-known/jwks.json"
PIPELINED = 10  # Requests that are sent at once.


class Unread(Service):
    """A service whose log is not looked at: to open its pipe would be to read it."""

    def logs(self) -> str:
        return ""

    def _all_serve(self) -> bool:
        return True


@contextmanager
def pipe_of(folder: Path) -> Iterator[int]:
    """The reader of the small pipe that a service in this folder logs to."""
    os.mkfifo(folder / "service.log")
    reader = os.open(folder / "service.log", os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(reader, True)
    try:
        yield reader
    finally:
        os.close(reader)


async def works(client: httpx2.AsyncClient, person: Person) -> None:
    """Sign-in, sign-out and a change of the password are answered as on any other day."""
    tokens, other = [(await login(client, person)).json() for _ in range(2)]
    refused = await client.post("/login", json={"email": person.email, "password": "wrong " * 4})
    assert refused.status_code == 401
    left = await client.post("/logout", json={"refresh_token": other["refresh_token"]})
    assert left.status_code == 204
    body = {"current_password": PASSWORD, "new_password": "another horse and its battery"}
    changed = await client.post("/password", json=body, headers=bearing(tokens["access_token"]))
    assert changed.status_code == 200


async def flood(service: Service, requests: int) -> None:
    """Ask so often on one connection, with long lines in the log, and get every answer."""
    head = f"HEAD {JWKS} HTTP/1.1\r\nHost: localhost\r\n"
    ids = f"X-Request-ID: {'r' * 64}\r\ntraceparent: 00-{'a' * 32}-{'b' * 16}-01\r\n\r\n"
    reader, writer = await asyncio.open_connection("localhost", service.port)
    async with asyncio.timeout(PATIENCE):
        for _ in range(requests // PIPELINED):
            writer.write(f"{head}{ids}".encode() * PIPELINED)
            for _ in range(PIPELINED):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def says_that_lines_are_lost(client: httpx2.AsyncClient) -> None:
    """Readiness says so, and stays what it was."""

    async def is_told() -> bool:
        await client.get(JWKS)
        status, parts = await health(client)
        assert (status, parts["status"]) == (200, "ready")
        return parts["log"] == "failing"

    await until(is_told)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reader_that_goes_away_changes_no_answer(
    migrated: object, environment: dict[str, str], sql: Sql, tmp_path: Path, workers: int
) -> None:
    with pipe_of(tmp_path) as reader, Unread(environment, tmp_path, workers=workers) as service:
        os.dup2(os.open(os.devnull, os.O_RDONLY), reader)
        async with client_of(service) as client:
            await works(client, await new_person(sql))
            await says_that_lines_are_lost(client)
        assert service.terminate(GRACE) == 0


@pytest.mark.parametrize(
    "requests", [pytest.param(3_600, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.slow)]
)
async def test_a_reader_that_stalls_delays_no_answer_and_reads_later_how_much_it_missed(
    migrated: object, environment: dict[str, str], sql: Sql, tmp_path: Path, requests: int
) -> None:
    with pipe_of(tmp_path) as reader, Unread(environment, tmp_path) as service:
        async with client_of(service) as client:
            await flood(service, requests)
            await works(client, await new_person(sql))
            await says_that_lines_are_lost(client)

            text = b""
            while b"log.dropped" not in text or not text.endswith(b"\n"):
                text += os.read(reader, 1 << 20)
            (dropped,) = [
                line for line in map(json.loads, text.splitlines()) if line["event"] == "log.dropped"
            ]
            assert 0 < dropped["lines"] < requests
            assert (await health(client))[1]["log"] == "ok"


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_reader_that_stalls_does_not_keep_the_service_from_ending(
    migrated: object, environment: dict[str, str], tmp_path: Path, workers: int
) -> None:
    with pipe_of(tmp_path), Unread(environment, tmp_path, workers=workers) as service:
        await flood(service, 100)
        assert service.terminate(GRACE) == 0


async def test_a_full_disk_changes_no_answer(
    migrated: object, environment: dict[str, str], sql: Sql, tmp_path: Path
) -> None:
    (tmp_path / "service.log").symlink_to("/dev/full")
    with Unread(environment, tmp_path) as service:
        async with client_of(service) as client:
            await works(client, await new_person(sql))
            await says_that_lines_are_lost(client)
        assert service.terminate(GRACE) == 0


@contextmanager
def without_streams(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A service that was started with its three streams closed."""
    command = f'exec "{sys.executable}" -m app serve --port {port} <&- >&- 2>&-'
    process = subprocess.Popen(["sh", "-c", command], cwd=ROOT, env=process_environment(environment))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_streams_that_were_closed_before_the_start_change_no_answer(
    migrated: object, environment: dict[str, str], sql: Sql, tmp_path: Path
) -> None:
    """A socket must not get the number of a stream, or lines end up in it."""
    service = Service(environment, tmp_path)
    service.port = free_port()
    with without_streams(environment, service.port) as process:
        await until(lambda: answers(service))
        async with client_of(service) as client:
            await works(client, await new_person(sql))
            await says_that_lines_are_lost(client)
        process.terminate()
        assert process.wait(GRACE) == 0


@contextmanager
def unread() -> Iterator[IO[str]]:
    """A pipe to write to, whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


@contextmanager
def streams(folder: Path) -> Iterator[tuple[IO[str], IO[str]]]:
    """Nothing to read, and a file for what a command says."""
    with Path(os.devnull).open() as nothing, (folder / "said").open("w+") as said:
        yield nothing, said


async def test_a_command_whose_log_cannot_be_written_does_its_work(
    migrated: object, environment: dict[str, str], sql: Sql, person: Person, tmp_path: Path
) -> None:
    without_redis = process_environment(environment | {"AUTH_REDIS_URL": f"unix://{tmp_path}/nothing.sock"})
    with streams(tmp_path) as (nothing, said), unread() as gone:
        disable = ("users", "disable", person.email)
        process = Process(*disable, environment=without_redis, stdin=nothing, stdout=said, stderr=gone)
        assert process.wait(PATIENCE) == 0
        said.seek(0)
        assert said.read() == f"{person.email} disabled; 0 sessions ended\n"
    assert await sql.fetchval("SELECT enabled FROM accounts WHERE id = $1", person.id) is False


@pytest.mark.parametrize(("output", "complaint"), [("unread", ""), ("full", "No space left on device\n")])
def test_a_command_whose_answer_cannot_be_written_ends_with_one_line_or_none(
    migrated: object, environment: dict[str, str], tmp_path: Path, output: str, complaint: str
) -> None:
    with (
        streams(tmp_path) as (nothing, said),
        unread() if output == "unread" else Path("/dev/full").open("w") as answer,
    ):
        process = Process(
            *("keys", "list", "--json"),
            environment=process_environment(environment),
            stdin=nothing,
            stdout=answer,
            stderr=said,
        )
        assert process.wait(PATIENCE) == 1
        said.seek(0)
        text = said.read()
        assert text.endswith(complaint)
        assert text.count("\n") == bool(complaint)
        # What is left in its buffer has nowhere to go.
        os.dup2(nothing.fileno(), answer.fileno())
