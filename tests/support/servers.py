"""Real servers for the tests: databases, a private pair that may be killed, and the service as a process."""

import asyncio
import atexit
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache, cached_property, partial
from hashlib import sha256
from pathlib import Path
from random import SystemRandom
from typing import Any, Self

import httpx2
import psutil  # type: ignore[import-untyped]
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.dev.processes import DevError, claimed
from app.dev.servers import Server, Servers, postgres, valkey
from tests.support.processes import PATIENCE, Process

ROOT = Path(__file__).parents[2]
ISSUER = "http://localhost:8000"
TEST_SECRET = urlsafe_b64encode(sha256(b"a secret for tests only").digest()).decode()
# A client of its own accord loads all certificates of the machine, which takes longer than most tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_PREFIX = "watchword-tests-"
_LEFT_BEHIND = 60.0
# On a disk, making and dropping databases costs four times as much.
_MEMORY, _ENOUGH = Path("/dev/shm"), 4 * 1024**3  # noqa: S108 - mkdtemp makes a private folder in it


def environment_of(servers: Servers) -> dict[str, str]:
    """The variables of a service on these servers."""
    return {
        "AUTH_DATABASE_URL": servers.database_url,
        "AUTH_REDIS_URL": servers.redis_url,
        "AUTH_SECRET_KEYS": TEST_SECRET,
        "AUTH_ISSUER": ISSUER,
        "AUTH_AUDIENCE": ISSUER,
        "AUTH_PASSWORD_HASH_MEMORY_KIB": "19456",  # The least that the settings accept, as is the next.
        "AUTH_PASSWORD_HASH_TIME_COST": "2",
        # All tests come from one address; those of throttling ask for less.
        "AUTH_LOGIN_LIMIT_ACCOUNT": "1000000/1",
        "AUTH_LOGIN_LIMIT_ADDRESS": "1000000/1",
        "AUTH_LOGIN_LIMIT_GLOBAL": "1000000/1",
        "AUTH_REFRESH_LIMIT": "1000000/1",
        "AUTH_DATABASE_POOL_SIZE": "5",  # Many services share one server.
    }


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child process gets: nothing of the developer's own AUTH_* and PG* variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "PG"))}
    return inherited | dict(environment)


def app(*arguments: str, environment: Mapping[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m app` with these arguments to its end."""
    with ExitStack() as stack:
        stdin, stdout, stderr = (stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        stdin.write(given)
        stdin.seek(0)
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        process = Process(*arguments, environment=process_environment(environment), **streams)
        stack.callback(process.kill)
        status = process.wait(PATIENCE)
        for said in (stdout, stderr):
            said.seek(0)
        return subprocess.CompletedProcess(process.args, status, stdout.read(), stderr.read())


def migrate(environment: Mapping[str, str]) -> None:
    done = app("migrate", environment=environment)
    assert done.returncode == 0, done.stderr


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ENOUGH


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for servers' data; those of test runs that were killed are cleared away first."""
    parent = _MEMORY if _has_room(_MEMORY) else Path(tempfile.gettempdir())
    for lock in parent.glob(f"{_PREFIX}*/lock"):
        with suppress(DevError, OSError):
            # A young one may be another worker's, who has not claimed it yet.
            if time.time() - lock.stat().st_mtime > _LEFT_BEHIND:
                with claimed(lock.parent):
                    pass
                shutil.rmtree(lock.parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _execute(url: str, *statements: str) -> None:
    async def execute() -> None:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as connection:
                for statement in statements:
                    await connection.execute(text(statement))
        finally:
            await engine.dispose()

    # In a thread of its own, because the thread of the tests may have a loop already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, execute()).result()


def query(url: str, statement: str) -> list[Any]:
    """What a statement returns: the first column of each row."""

    async def ask() -> list[Any]:
        engine = create_async_engine(url)
        try:
            async with engine.connect() as connection:
                return list((await connection.execute(text(statement))).scalars())
        finally:
            await engine.dispose()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()


@contextmanager
def database(url: str, name: str) -> Iterator[str]:
    """An empty database of this name on the server of this URL."""
    _execute(
        url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE template0'
    )
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class Faulty:
    """A server that may be killed, started again, and stopped in its tracks."""

    def __init__(self, running: Callable[[], AbstractContextManager[Server]]) -> None:
        self._running = running
        self._stack = ExitStack()
        self.start()

    def start(self) -> None:
        self._server = self._stack.enter_context(self._running())

    @property
    def url(self) -> str:
        """The same one after every start."""
        return self._server.url

    @property
    def pid(self) -> int:
        """The main process, of which the others are children."""
        return self._server.pid

    def kill(self) -> None:
        """SIGKILL to all of its processes; the data stays."""
        self._signal(signal.SIGKILL)
        self._stack.close()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stopped in the meantime, and running again in any case."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.resume()
        self._stack.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self._server.pid)
            for process in [main, *main.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


@cache
def new_data() -> Path:
    """The data of a PostgreSQL that was started once, for this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(server_folder())
    stack.enter_context(claimed(folder))  # Else another process takes it for left behind.
    with postgres(folder, durable=False):
        pass
    return folder / "postgres"


class PrivateServers:
    """Servers for one test, which may do to them what it likes. Each starts when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closing = ExitStack()

    @cached_property
    def postgres(self) -> Faulty:
        subprocess.run(["cp", "--archive", new_data(), self._folder], check=True)
        return self._started(postgres)

    @cached_property
    def valkey(self) -> Faulty:
        return self._started(valkey)

    @property
    def servers(self) -> Servers:
        return Servers(self.postgres.url, self.valkey.url)

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(self.servers)

    def close(self) -> None:
        self._closing.close()

    def _started(self, kind: Callable[..., AbstractContextManager[Server]]) -> Faulty:
        faulty = Faulty(partial(kind, self._folder, durable=False))
        self._closing.callback(faulty.close)
        return faulty


@contextmanager
def private_pair() -> Iterator[PrivateServers]:
    with server_folder() as folder, claimed(folder):
        pair = PrivateServers(folder)
        try:
            yield pair
        finally:
            pair.close()


_PORTS = range(15_000, 32_000)
"""Below those of outgoing connections, one of which could take a port before the server does."""
_given = set[int]()


def free_port() -> int:
    """A port that no other test of this run gets, however late its server starts."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = _PORTS[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    while True:
        port = SystemRandom().choice(own)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class Service:
    """`python -m app serve` as a process of its own, ready once the context is entered."""

    def __init__(
        self, environment: Mapping[str, str], folder: Path, *, workers: int = 1, port: int | None = None
    ) -> None:
        self.environment = dict(environment)
        self.workers = workers
        self._log = folder / "service.log"
        self._fixed_port = port
        self.port = 0
        self._begun = 0
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def process(self) -> Process:
        assert self._process is not None, "the service was not started"
        return self._process

    def start(self, *, attempts: int = 3) -> Self:
        """Start it on a free port, and on another one when that was taken meanwhile."""
        for attempt in range(1, attempts + 1):
            self.port = self._fixed_port or free_port()
            self.spawn()
            if self.becomes_ready():
                return self
            self.kill()
            if attempt == attempts or "address already in use" not in self.logs().lower():
                break
        raise AssertionError(f"the service did not become ready:\n{self.logs()}")

    def logs(self) -> str:
        """All that it has written to stdout and stderr."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def worker_processes(self) -> list[psutil.Process]:
        """Those that serve; the process of the service itself is their parent."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):  # It has just ended.
                if "resource_tracker" not in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def send_signal(self, number: signal.Signals) -> None:
        """To all of its processes, as a terminal does."""
        os.killpg(self.process.pid, number)

    def terminate(self, seconds: float = PATIENCE) -> int:
        """SIGTERM, as an orchestrator does; return the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        with suppress(ProcessLookupError, PermissionError):
            self.send_signal(signal.SIGKILL)
        self.process.wait()

    def keeps_its_port(self) -> None:
        """When it is started again."""
        self._fixed_port = self.port

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.terminate()
        self.kill()

    def spawn(self) -> None:
        """Start it, and do not wait until it is ready."""
        self._begun = len(self.logs())
        with self._log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            self._process = Process(
                *("serve", *self.options(), "--workers", str(self.workers)),
                environment=process_environment(self.environment),
                stdin=nothing,
                stdout=log,
                stderr=log,
            )

    def options(self) -> list[str]:
        """Where it listens."""
        return ["--host", "127.0.0.1", "--port", str(self.port)]

    def becomes_ready(self) -> bool:
        """Whether it is ready before it ends."""
        deadline = time.monotonic() + PATIENCE
        with httpx2.Client(verify=NO_TLS, trust_env=False, timeout=2) as client:
            while self.process.poll() is None and time.monotonic() < deadline:
                with suppress(httpx2.TransportError):
                    answer = client.get(f"http://127.0.0.1:{self.port}/readyz")
                    if answer.status_code == httpx2.codes.OK and self._all_serve():
                        return True
                time.sleep(0.05)
        return False

    def _all_serve(self) -> bool:
        """Whether its other workers serve too. The first one is waited for before they are started."""
        return self.workers == 1 or "serve.started" in self.logs()[self._begun :]
