"""`python -m app dev`, as a newcomer meets it."""

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from app.dev.processes import MARK, claimed
from app.dev.servers import postgres
from app.dev.service import Stopped, signals
from tests.support.processes import PATIENCE, Process
from tests.support.servers import ROOT, free_port, process_environment, server_folder
from tests.support.waiting import eventually


class Dev:
    """One `python -m app dev`, in the foreground of a terminal of its own."""

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str], *options: str) -> None:
        self.folder = folder
        self._log = folder.parent / f"dev-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log, Path(os.devnull).open("rb") as nothing:
            self.process = Process(
                *("dev", "--port", str(port), "--folder", str(folder), *options),
                environment=process_environment(environment),
                stdin=nothing,
                stdout=log,
                stderr=log,
            )

    def said(self) -> str:
        return self._log.read_text()

    def welcome(self) -> str:
        self.until(lambda: "Ctrl-C stops it" in self.said())
        return self.said()

    def until(self, happened: Callable[[], bool]) -> None:
        def has_happened() -> bool:
            assert self.process.poll() is None, self.said()
            return happened()

        eventually(has_happened, self.said)

    def press_ctrl_c(self) -> int:
        """The terminal sends SIGINT to every process of the foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)

    def left(self) -> list[str]:
        """The processes that still belong to the folder."""
        return [" ".join(process.cmdline()) for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            named = any(str(self.folder) in part for part in process.cmdline())
            return named or process.environ().get(MARK) == str(self.folder)
        except psutil.Error:
            return False

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for process in psutil.process_iter():
            if self._owns(process):
                process.kill()


def log_in(welcome: str) -> str:
    """Do what the printed curl line does, and return the password in it."""
    command = shlex.split(welcome.partition("  curl ")[2].partition("\n\n")[0])
    url = next(word for word in command if word.startswith("http"))
    name, _, value = command[command.index("-H") + 1].partition(": ")
    body = command[command.index("-d") + 1]
    answer = httpx2.post(url, content=body, headers={name: value}, trust_env=False, timeout=PATIENCE)
    assert answer.status_code == httpx2.codes.OK, answer.text
    assert {"access_token", "refresh_token"} <= answer.json().keys()
    password = re.search(r'"password":"([^"]+)"', body)
    assert password is not None
    return password[1]


@contextmanager
def running(
    folder: Path, port: int | None = None, environment: Mapping[str, str] | None = None, *options: str
) -> Iterator[Dev]:
    dev = Dev(folder, port or free_port(), environment or {}, *options)
    try:
        yield dev
    finally:
        dev.close()


@pytest.fixture
def empty() -> Iterator[Path]:
    """A folder, outside of pytest's own, which each start of pytest closes for other users."""
    with server_folder() as folder:
        yield folder / "data"


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """A folder for tests that do not need an empty one; the first of them fills it."""
    with server_folder() as folder:
        yield folder / "data"


def test_the_demo_account_outlives_ctrl_c_and_a_kill_and_the_end_of_the_service_ends_all(used: Path) -> None:
    port = free_port()
    with running(used, port) as dev:
        password = log_in(dev.welcome())
        assert dev.press_ctrl_c() == 0
        assert dev.left() == []
        assert "Traceback" not in dev.said()
    with running(used, port) as dev:
        assert log_in(dev.welcome()) == password
        dev.process.kill()
        dev.process.wait()
        assert dev.left()
        with running(used, port) as again:
            assert log_in(again.welcome()) == password
            for child in psutil.Process(again.process.pid).children():
                if "serve" in child.cmdline():
                    child.kill()
            assert again.process.wait(PATIENCE) == 1
            assert again.left() == []


def test_secrets_are_for_the_owner_only_and_a_second_start_leaves_the_first_alone_until_sigterm(
    used: Path,
) -> None:
    with running(used) as first:
        welcome = first.welcome()
        assert used.stat().st_mode & 0o066 == 0
        for name in ("secret_keys", "demo_password"):
            assert (used / name).stat().st_mode & 0o777 == 0o600
        with running(used) as second:
            assert second.process.wait(PATIENCE) == 1
            assert second.said().count("\n") == 1
            assert "already running" in second.said()
            log_in(welcome)
            # Before the second one's end, which kills what is left of either.
            first.process.terminate()
            assert first.process.wait(PATIENCE) == 0
            assert first.left() == []
            assert "Traceback" not in first.said()


def test_a_new_password_is_printed_once_the_account_has_it(used: Path) -> None:
    with running(used) as dev:
        password = log_in(dev.welcome())
    (used / "demo_password").unlink()
    with running(used, environment={"AUTH_PASSWORD_MIN_LENGTH": "40"}) as refused:
        assert refused.process.wait(PATIENCE) == 1
    with running(used) as dev:
        assert log_in(dev.welcome()) != password


def refusal(folder: Path, *options: str) -> str:
    """What a start says that has to fail with one line of its own at the end, and leaves nothing running."""
    with running(folder, None, None, *options) as dev:
        assert dev.process.wait(PATIENCE) == 1
        assert dev.left() == []
        assert "Traceback" not in dev.said()
        return dev.said().splitlines()[-1]


def test_a_lost_secret_or_damaged_data_is_told_with_the_way_to_start_anew(empty: Path) -> None:
    with running(empty) as dev:
        password = log_in(dev.welcome())
    (empty / "notes.txt").write_text("of somebody else")
    (empty / "secret_keys").rename(empty.with_suffix(".kept"))
    said = refusal(empty)
    assert said.startswith("the signing keys were sealed under another secret")
    command = shlex.split(said.partition("without the data: ")[2])
    assert command[1:6] == ["-m", "app", "dev", "--folder", str(empty)]
    assert (command[6], command[8]) == ("--port", "--reset")
    empty.with_suffix(".kept").rename(empty / "secret_keys")
    (empty / "postgres" / "PG_VERSION").unlink()
    said = refusal(empty)
    assert said.startswith("postgres did not start: ")
    assert said.endswith("--reset")
    # Nobody answers the question, so nothing is removed.
    assert "--yes" in refusal(empty, "--reset")
    assert (empty / "demo_password").read_text() == password
    with running(empty, None, None, "--reset", "--yes") as dev:
        assert log_in(dev.welcome()) != password
        assert "already running" in refusal_beside(empty, "--reset", "--yes")
        assert (empty / "notes.txt").read_text() == "of somebody else"


def refusal_beside(folder: Path, *options: str) -> str:
    """As ``refusal``, while another start goes on."""
    with running(folder, None, None, *options) as dev:
        assert dev.process.wait(PATIENCE) == 1
        said = dev.said()
        assert said.count("\n") == 1
        return said


def test_a_python_that_is_too_old_is_told_in_one_line() -> None:
    old = "import runpy, sys; sys.version_info = (3, 10, 12); runpy.run_module('app', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", old], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Watchword needs Python 3.11 or newer; with make: make run PYTHON=python3.13\n"


def test_a_taken_port_is_told_in_one_line(empty: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with running(empty, port) as dev:
            assert dev.process.wait(PATIENCE) == 1
            assert dev.said().count("\n") == 1
            assert str(port) in dev.said()
            assert dev.left() == []


def test_an_issuer_of_another_port_is_refused_in_one_line(empty: Path) -> None:
    """As a shell has it that has read the `env` of a start on another port."""
    with running(empty, environment={"AUTH_ISSUER": f"http://localhost:{free_port()}"}) as dev:
        assert dev.process.wait(PATIENCE) == 1
        assert dev.said().count("\n") == 1
        assert "unset AUTH_ISSUER AUTH_AUDIENCE" in dev.said()
        assert dev.left() == []


def interrupt(folder: Path, moment: Callable[[], bool]) -> None:
    """Start, press Ctrl-C at that moment, and find nothing left of the start."""
    with running(folder) as dev:
        dev.until(moment)
        assert dev.press_ctrl_c() == 0
        assert dev.left() == []
        assert "Traceback" not in dev.said()


def test_ctrl_c_while_the_database_is_created_leaves_nothing(empty: Path) -> None:
    # The unfinished database is there for a moment only.
    interrupt(empty, lambda: (empty / "postgres.new").exists() or (empty / "postgres").exists())


@pytest.mark.parametrize(
    "name",
    ["lock", "postgres/postmaster.pid", "valkey/valkey.sock", "demo_password"],
    ids=lambda name: f"at {name}",
)
def test_ctrl_c_while_starting_leaves_nothing(used: Path, name: str) -> None:
    (used / name).unlink(missing_ok=True)
    interrupt(used, (used / name).exists)


def test_a_signal_while_postgres_starts_ends_the_start_and_postgres(empty: Path) -> None:
    def pause(_: float) -> None:
        if started := [*psutil.Process().children()]:
            children.extend(started)
            raise Stopped

    children: list[psutil.Process] = []
    with (
        pytest.raises(Stopped),
        claimed(empty),
        postgres(empty, durable=False, pause=pause),
    ):
        pytest.fail("it did not see the signal")
    assert children
    assert not any(child.is_running() and child.environ().get(MARK) == str(empty) for child in children)


def test_a_signal_while_the_account_is_prepared_is_seen_at_once() -> None:
    async def waits_for_ever() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
        await asyncio.get_running_loop().create_future()

    with signals() as received, pytest.raises(Stopped), received.at_once():
        asyncio.run(waits_for_ever())
