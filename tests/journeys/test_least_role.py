"""The service under a role that may read and change rows and nothing else, whose password is changed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx2
import pytest
from alembic import command

from app.dev import Servers
from app.storage.postgres.migrations import alembic_config
from tests.support.clients import GRANT, asserting, basic, new_client, new_signer
from tests.support.database import Sql, connect
from tests.support.people import login, me, new_person
from tests.support.postgres import PASSWORDS, Postgres, postgres
from tests.support.servers import ROOT, Service, app, environment_of
from tests.support.waiting import WELL, client_of, complete_logs, health

OWNER, SERVICE = "watchword_owner:owner's", "watchword_service:first"
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'watchword_service'"
GRANTS = (ROOT / "deploy" / "grants.sql").read_text()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A database with the documented roles, some tables of which came after the grants."""
    with postgres(hba=PASSWORDS) as server:
        asyncio.run(_grant(server))
        yield server


async def _grant(server: Postgres) -> None:
    await server.execute(
        "CREATE ROLE watchword_owner LOGIN CREATEROLE PASSWORD 'owner''s'",
        "CREATE DATABASE watchword OWNER watchword_owner TEMPLATE template0 ENCODING 'UTF8'",
    )
    url = server.url(OWNER, "watchword")
    await asyncio.to_thread(command.upgrade, alembic_config(url), "0001")
    owner = await connect(url)
    for _ in range(2):
        await owner.execute(GRANTS)
    await owner.close()
    await server.execute("ALTER ROLE watchword_service LOGIN PASSWORD 'first'")
    done = await asyncio.to_thread(app, "migrate", environment={"AUTH_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr


async def run(environment: dict[str, str], *arguments: str) -> str:
    done = await asyncio.to_thread(app, *arguments, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_reading_and_changing_rows_is_all_that_the_service_needs(
    server: Postgres, servers: Servers, tmp_path: Path
) -> None:
    url = server.url(SERVICE, "watchword")
    environment = environment_of(Servers(url, servers.redis_url))
    owner = await connect(server.url(OWNER, "watchword"))
    person = await new_person(owner)
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            assert await health(client) == (200, WELL)
            signed_in = (await login(client, person)).json()
            refreshed = await client.post("/refresh", json={"refresh_token": signed_in["refresh_token"]})
            assert refreshed.status_code == 200
            token = refreshed.json()["access_token"]
            assert (await me(client, token)).status_code == 200
            left = await client.post("/logout", json={"refresh_token": refreshed.json()["refresh_token"]})
            assert left.status_code == 204
            assert (await me(client, token)).status_code == 401
            await use_a_client(environment, client, owner)
    await owner.execute(
        "UPDATE sessions SET expires_at = now() - interval '2 days', created_at = '2000-01-01'"
    )
    assert await run(environment, "purge") != "0 rows deleted\n"
    assert len(json.loads(await run(environment, "events", "list", "--json"))) > 1
    await run(environment, "users", "delete", person.email, "--yes")
    assert "The role of the service" not in await run(environment, "check-config")
    await owner.close()


async def use_a_client(environment: dict[str, str], client: httpx2.AsyncClient, owner: Sql) -> None:
    """A service client from its creation to its deletion, with a secret and with a key."""
    created = json.loads(
        await run(environment, "clients", "create", "orders", "--scope", "introspect", "--json")
    )
    headers = basic(created["client_id"], created["client_secret"])
    issued = (await client.post("/token", data=GRANT, headers=headers)).json()["access_token"]
    for active in (True, False):
        asked = await client.post("/introspect", data={"token": issued}, headers=headers)
        assert asked.json()["active"] is active
        assert (await client.post("/revoke", data={"token": issued}, headers=headers)).status_code == 200
    key = new_signer()
    billing = await new_client(owner, "introspect", keys=(key.jwk,))
    assertion = asserting(key.assertion(billing))
    for status in (200, 401):
        assert (await client.post("/token", data=GRANT | assertion)).status_code == status
    await run(environment, "clients", "rotate", "orders")
    await run(environment, "clients", "scopes", "orders", "read")
    await run(environment, "clients", "delete", "orders", "--yes")


@pytest.mark.requirement("E12")
async def test_a_role_that_may_create_tables_as_on_postgres_14_is_named(
    server: Postgres, servers: Servers
) -> None:
    await server.execute("CREATE DATABASE older OWNER watchword_owner TEMPLATE template0 ENCODING 'UTF8'")
    operator = await connect(server.socket_url.replace("@/postgres", "@/older"))
    await operator.execute("ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC")
    owner_url = server.url(OWNER, "older")
    migrated = await asyncio.to_thread(app, "migrate", environment={"AUTH_DATABASE_URL": owner_url})
    assert migrated.returncode == 0, migrated.stderr
    owner = await connect(owner_url)
    words = "watchword_service may create tables .* ALTER SCHEMA public OWNER TO watchword_owner"
    with pytest.raises(asyncpg.RaiseError, match=words):
        await owner.execute(GRANTS)
    await operator.execute("ALTER SCHEMA public OWNER TO watchword_owner")
    await owner.execute(GRANTS)

    environment = environment_of(Servers(server.url(SERVICE, "older"), servers.redis_url))
    assert "The role of the service" not in await run(environment, "check-config")
    await owner.execute("GRANT CREATE ON SCHEMA public TO watchword_service")
    assert "The role of the service may create tables" in await run(environment, "check-config")
    await owner.execute("GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO watchword_service")
    await owner.execute(GRANTS)
    assert "The role of the service" not in await run(environment, "check-config")
    service = await connect(environment["AUTH_DATABASE_URL"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("TRUNCATE revocations")
    await service.close()

    # A right for which the role has to SET ROLE first is one all the same.
    await operator.execute("CREATE ROLE keeper; GRANT keeper TO watchword_service")
    await operator.execute("ALTER ROLE watchword_service NOINHERIT; ALTER TABLE events OWNER TO keeper")
    await operator.execute("GRANT ALL ON events TO watchword_service")
    assert "The role of the service owns the tables" in await run(environment, "check-config")
    await operator.execute("ALTER ROLE watchword_service INHERIT; REVOKE keeper FROM watchword_service")
    await owner.close()
    await operator.close()


@pytest.mark.requirement("E12")
async def test_a_role_that_may_become_the_owner_is_refused_by_the_grants(server: Postgres) -> None:
    await server.execute("CREATE ROLE heir", "GRANT heir TO watchword_service")
    await server.execute("CREATE DATABASE inherited OWNER heir TEMPLATE template0 ENCODING 'UTF8'")
    sql = await connect(server.socket_url.replace("@/postgres", "@/inherited"))
    await sql.execute("SET SESSION AUTHORIZATION heir")
    with pytest.raises(asyncpg.RaiseError, match="REVOKE heir FROM watchword_service"):
        await sql.execute(GRANTS)
    await sql.execute("RESET SESSION AUTHORIZATION; REVOKE heir FROM watchword_service")
    await sql.execute("SET SESSION AUTHORIZATION heir")
    await sql.execute(GRANTS)
    await sql.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE other (id int)",
        "DROP TABLE accounts",
        "ALTER TABLE accounts ADD COLUMN other int",
        "TRUNCATE events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION keep_events() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
    ],
)
async def test_the_role_of_the_service_can_change_no_table(server: Postgres, statement: str) -> None:
    sql = await connect(server.url(SERVICE, "watchword"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sql.execute(statement)
    await sql.close()


async def test_a_new_password_in_the_file_of_the_url_is_used_without_a_restart(
    server: Postgres, servers: Servers, tmp_path: Path
) -> None:
    file = tmp_path / "database_url"
    file.write_text(server.url(SERVICE, "watchword"))
    environment = environment_of(Servers("", servers.redis_url)) | {"AUTH_DATABASE_URL_FILE": str(file)}
    owner = await connect(server.url(OWNER, "watchword"))
    person = await new_person(owner)
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            assert (await login(client, person)).status_code == 200
            for password in ("second", "first"):
                await server.execute(f"ALTER ROLE watchword_service PASSWORD '{password}'", END_ALL)
                assert (await login(client, person)).status_code == 503
                file.write_text(server.url(f"watchword_service:{password}", "watchword"))
                assert (await login(client, person)).status_code == 200
                assert await health(client) == (200, WELL)
            logs = await complete_logs(service)
            assert "password authentication failed" in logs
            assert "first" not in logs
    await owner.close()
