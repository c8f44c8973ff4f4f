"""How connections are opened: hosts in turn, logins that change, and refusals that waiting does not mend."""

import asyncio
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.dev import Servers
from app.domain.refusals import Refused
from app.storage.postgres import connections
from app.storage.postgres.connections import Connection, Connector
from app.storage.postgres.database import open_database
from app.storage.postgres.outages import Misconfigured
from tests.support.postgres import PASSWORDS, Postgres, postgres
from tests.support.servers import app, environment_of, free_port

OLD, NEW = "p@ss:w/o+rd%#?é", "another one"
ENCODED = "p%40ss%3Aw%2Fo%2Brd%25%23%3F%C3%A9"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres(hba=PASSWORDS) as server:
        yield server


@pytest.fixture
async def role(server: Postgres) -> str:
    await server.execute(
        "DROP ROLE IF EXISTS watchword", f"CREATE ROLE watchword LOGIN SUPERUSER PASSWORD '{OLD}'"
    )
    return f"watchword:{ENCODED}"


async def answers(connector: Connector) -> bool:
    connection = await connector.connect()
    try:
        return bool(await connection.fetchval("SELECT true"))
    finally:
        await connection.close()


async def test_the_first_host_that_answers_and_takes_writes_is_used(server: Postgres, role: str) -> None:
    await server.execute(
        "DROP DATABASE IF EXISTS standby",
        "CREATE DATABASE standby",
        "ALTER DATABASE standby SET default_transaction_read_only = on",
    )
    absent, present = f"127.0.0.1:{free_port()}", f"127.0.0.1:{server.port}"
    assert await answers(Connector(f"postgresql://{role}@{absent},{present}/postgres"))
    with pytest.raises(Misconfigured) as refused:
        await answers(Connector(f"postgresql://{role}@{present}/standby"))
    assert refused.value.line == "AUTH_DATABASE_URL: the server is read-only; name the primary"
    # While another host may still come, it is waited for.
    with pytest.raises(ConnectionRefusedError):
        await answers(Connector(f"postgresql://{role}@{present},{absent}/standby"))


async def test_a_new_login_in_the_file_is_used_once_the_old_one_is_refused(
    server: Postgres, role: str
) -> None:
    told = [f"postgresql://{role}@elsewhere.example/other?sslmode=require"]
    connector = Connector(server.url(role), read_again=lambda: told[0])
    assert await answers(connector)
    await server.execute(f"ALTER ROLE watchword PASSWORD '{NEW}'")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await answers(connector)
    told[0] = "not a URL at all"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await answers(connector)
    told[0] = f"postgresql://watchword:{NEW}@elsewhere.example/other"
    assert await asyncio.gather(*(answers(connector) for _ in range(4))) == [True] * 4


async def test_a_database_with_another_encoding_is_refused(server: Postgres, role: str) -> None:
    await server.execute(
        "DROP DATABASE IF EXISTS ascii",
        "CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'",
    )
    environment = environment_of(Servers(server.url(role, "ascii"), "redis://127.0.0.1:1")) | {
        "AUTH_STARTUP_TIMEOUT": "600"
    }
    for command in ("migrate", "serve"):
        done = await asyncio.to_thread(app, command, environment=environment)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("AUTH_DATABASE_URL: the database has the encoding SQL_ASCII; create one with")


async def test_a_refused_login_or_a_missing_database_is_not_waited_for(server: Postgres, role: str) -> None:
    wrong = {
        server.url("watchword:wrong"): "password authentication failed",
        server.url("stranger:wrong"): "password authentication failed",
        server.url("watchword"): "password",
        server.url(role, "missing"): '"missing" does not exist',
        f"{server.url(role)}?sslmode=require": "offers no TLS",
        f"{server.url(role)}?sslrootcert=/missing.pem&sslmode=verify-full": "sslrootcert cannot be used",
    }
    for url, told in wrong.items():
        environment = environment_of(Servers(url, "redis://127.0.0.1:1")) | {"AUTH_STARTUP_TIMEOUT": "600"}
        for command in (["migrate"], ["serve"], ["users", "list"]):
            done = await asyncio.to_thread(app, *command, environment=environment)
            assert (done.returncode, done.stdout) == (1, ""), (url, command)
            (line,) = done.stderr.splitlines()
            assert line.startswith("AUTH_DATABASE_URL: "), line
            assert told in line
            assert "wrong" not in line


async def test_every_other_failure_to_connect_is_an_outage(server: Postgres, role: str) -> None:
    await server.execute("ALTER ROLE watchword NOSUPERUSER CONNECTION LIMIT 0")
    database = open_database(server.url(role), pool_size=1)
    with pytest.raises(Refused) as refused:
        await database.ping()
    assert not isinstance(refused.value, Misconfigured)
    assert "too many connections" in str(refused.value.__cause__)
    await database.close()


@pytest.mark.requirement("E7")
async def test_a_server_that_stops_answering_once_a_connection_is_open_is_given_up(
    server: Postgres, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Connection] = []

    async def unanswered(connection: Connection, *_: object) -> bool:
        opened.append(connection)
        await connection.fetch("SELECT pg_sleep(3600)")
        return False

    monkeypatch.setattr(connections, "_has_pooler", unanswered)
    monkeypatch.setattr(connections, "STATEMENT_TIMEOUT", 0.05)
    with pytest.raises(TimeoutError):
        await Connector(server.url(role)).connect()
    assert [connection.is_closed() for connection in opened] == [True]


def test_a_home_that_may_not_be_entered_does_not_matter(server: Postgres, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o000)
    url = server.url("postgres").replace("127.0.0.1", "localhost")
    refused = "no pg_hba.conf entry|password|Ident"

    async def connect() -> None:
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match=refused):
            await Connector(url).connect()

    asyncio.run(connect())  # Everything is loaded then, and the child needs to read no code.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # This process may have threads.
        child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.environ["HOME"] = str(home)
            with pytest.raises(PermissionError):
                (home / ".postgresql").exists()
            asyncio.run(connect())
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
