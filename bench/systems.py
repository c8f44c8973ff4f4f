"""The systems of a benchmark: the service and the floors, on private servers with the same data."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from app.dev.servers import Server, postgres, valkey
from bench.budgets import ASGI, CHEAP_HASH, ES256, FASTAPI, SERVICE
from bench.processes import command_line, cpu_nanoseconds, descendants, other_cores, pinned, started
from tests.support.servers import ISSUER, TEST_SECRET, free_port

PATIENCE = 60.0
"""Seconds that a system may take to start."""
COMMANDS = {
    SERVICE: ("-m", "app", "serve", "--port"),
    ES256: ("-m", "app", "serve", "--port"),
    CHEAP_HASH: ("-m", "bench.cheap_hash", "serve", "--port"),
    FASTAPI: ("-m", "bench.floor", "fastapi"),
    ASGI: ("-m", "bench.floor", "asgi"),
}
KEY_SET = "/.well-known/jwks.json"


class Cpu(NamedTuple):
    """Microseconds of CPU: of the server with all its threads and processes, of Postgres and of Redis."""

    server: float
    postgres: float
    redis: float

    def since(self, before: "Cpu", requests: int) -> "Cpu":
        """Return what each request used since the time before."""
        return Cpu(*((now - then) / requests for now, then in zip(self, before, strict=True)))


@dataclass(frozen=True, slots=True)
class System:
    """A system that answers on a port, and the processes that it keeps busy."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    postgres: Server
    database: str
    valkey: Server | None = None

    def cpu(self) -> Cpu:
        """Return what its processes used since they started.

        Of Postgres, the processes that serve its database count. The others work for all systems.
        """
        mark = f" {self.database} "
        backends = [pid for pid in descendants(self.postgres.pid) if mark in command_line(pid)]
        valkeys = [] if self.valkey is None else [self.valkey.pid]
        used = (cpu_nanoseconds(pids) / 1e3 for pids in (descendants(self.process.pid), backends, valkeys))
        return Cpu(*used)

    def wait(self, log: Path, path: str = KEY_SET) -> None:
        """Return when it answers; RuntimeError with its log when it does not start."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError):
                self.head(path)
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n{log.read_text(errors='replace')[-4000:]}")

    def head(self, path: str) -> Message:
        """Return the headers of the answer to a GET; OSError when there is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().headers
        finally:
            connection.close()


class Servers:
    """A PostgreSQL as in production, which waits for the disk, and a Valkey for each system."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        with pinned(other_cores()):
            self.postgres = stack.enter_context(postgres(folder, durable=True))

    def valkey(self, database: str) -> Server:
        """Start a Valkey for the system of this database."""
        folder = self.folder / database
        folder.mkdir()
        folder.chmod(0o755)
        with pinned(other_cores()):
            return self._stack.enter_context(valkey(folder, durable=True))

    def log(self, database: str) -> Path:
        """Return the file with the output of the system of this database."""
        return self.folder / f"{database}.log"

    def database_url(self, database: str) -> str:
        """Return the URL of a database on this PostgreSQL."""
        return self.postgres.url.replace("/postgres?", f"/{database}?")


def environment(database_url: str, redis_url: str, **others: str) -> dict[str, str]:
    """Return the settings of a service: those without a default, and the others that are given."""
    return {
        "AUTH_DATABASE_URL": database_url,
        "AUTH_REDIS_URL": redis_url,
        "AUTH_SECRET_KEYS": TEST_SECRET,
        "AUTH_ISSUER": ISSUER,
        "AUTH_AUDIENCE": ISSUER,
    } | others


@contextmanager
def running(
    name: str,
    database: str,
    servers: Servers,
    cores: set[int],
    *,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
) -> Iterator[System]:
    """Start a system on these cores, with a Valkey of its own; the end of the context stops it."""
    port, redis = free_port(), servers.valkey(database)
    variables = environment(servers.database_url(database), redis.url, **(settings or {}))
    command = [sys.executable, *COMMANDS[name], str(port)]
    command += ["--workers", str(workers)] if "serve" in command else []
    with started(command, variables, cores, servers.log(database)) as process:
        yield System(name, port, process, servers.postgres, database, redis)
