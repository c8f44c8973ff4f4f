"""The service as its surroundings come and go: it finishes what it began, and finds back by itself."""

import asyncio
from pathlib import Path
from secrets import token_urlsafe

import pytest

from app.settings import Settings, load
from app.wiring import open_service
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, login, me, new_person, refresh
from tests.support.processes import PATIENCE
from tests.support.servers import PrivateServers, Service, migrate
from tests.support.waiting import WELL, answers, client_of, complete_logs, health, spawned, until


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_finishes_the_login_that_is_in_flight(
    migrated: object, environment: dict[str, str], sql: Sql, tmp_path: Path, workers: int
) -> None:
    person = await new_person(sql)
    blocked_by_us = """SELECT count(*) FROM pg_locks
        WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"""
    with Service(environment, tmp_path, workers=workers) as service:
        async with client_of(service) as client:
            # The new session waits for the account's row, which is held here.
            async with sql.transaction():
                await sql.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", person.id)
                signing_in = asyncio.create_task(login(client, person))

                async def is_in_flight() -> bool:
                    return bool(await sql.fetchval(blocked_by_us))

                await until(is_in_flight)
                service.process.terminate()

                async def listens_no_more() -> bool:
                    return not await answers(service)

                await until(listens_no_more)
                assert service.process.poll() is None
            answer = await signing_in
        assert answer.status_code == 200
        assert await asyncio.to_thread(service.process.wait, PATIENCE) == 0
        assert "Traceback" not in service.logs()
        assert "graceful shutdown exceeded" not in service.logs()
    # What was answered was committed.
    assert await sql.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", person.id) == 1


async def test_a_signing_key_that_no_secret_opens_is_never_replaced(
    environment: dict[str, str],
    empty_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = environment | {"AUTH_DATABASE_URL": empty_database}
    migrate(environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with open_service(load(Settings)) as parts:
        await parts.keys.load()
        published = parts.keys.key_set().document
    sql = await connect(empty_database)
    sealed = await sql.fetch("SELECT * FROM signing_keys ORDER BY kid")
    assert len(sealed) == 2

    stranger, person = token_urlsafe(32), await new_person(sql)
    with spawned(environment | {"AUTH_SECRET_KEYS": stranger}, tmp_path) as service:
        await until(lambda: answers(service))
        async with client_of(service) as client:
            assert await health(client) == (503, WELL | {"status": "not ready", "keys": "failing"})
            assert (await client.get("/.well-known/jwks.json")).content == published
            refused = await login(client, person)
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert await sql.fetch("SELECT * FROM signing_keys ORDER BY kid") == sealed
        assert "list the secret that sealed it in AUTH_SECRET_KEYS" in await complete_logs(service)

    # Beside a new secret that is used first, the old one opens the key.
    both = f"{stranger},{environment['AUTH_SECRET_KEYS']}"
    with Service(environment | {"AUTH_SECRET_KEYS": both}, tmp_path) as service:
        async with client_of(service) as client:
            assert (await login(client, person)).status_code == 200
    assert await sql.fetch("SELECT * FROM signing_keys ORDER BY kid") == sealed
    await sql.close()


@pytest.mark.requirement("K4")
async def test_keys_are_published_while_both_servers_are_gone_and_all_comes_back(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    migrate(private_servers.environment)
    sql = await connect(private_servers.servers.database_url)
    person = await new_person(sql)
    await sql.close()
    with Service(private_servers.environment, tmp_path) as service:
        async with client_of(service) as client:
            kept, ended = [(await login(client, person)).json() for _ in range(2)]
            await client.post("/logout", json={"refresh_token": ended["refresh_token"]})
            published = await client.get("/.well-known/jwks.json")

            private_servers.postgres.kill()
            private_servers.valkey.kill()

            status, parts = await health(client)
            assert (status, parts["postgres"]) == (503, "failing")
            assert (await client.get("/livez")).status_code == 200
            again = await client.get("/.well-known/jwks.json")
            assert (again.status_code, again.content) == (200, published.content)
            for refused in (
                await login(client, person),
                await refresh(client, kept["refresh_token"]),
                await me(client, kept["access_token"]),
                await client.post("/logout", json={"refresh_token": kept["refresh_token"]}),
            ):
                assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
                assert refused.headers["content-type"] == "application/problem+json"

            private_servers.postgres.start()
            private_servers.valkey.start()

            async def all_is_well() -> bool:
                return (await health(client))[1] == WELL

            await until(all_is_well)
            assert (await login(client, person)).status_code == 200
            assert (await refresh(client, kept["refresh_token"])).status_code == 200
            assert (await me(client, kept["access_token"])).status_code == 200
            assert (await me(client, ended["access_token"])).status_code == 401
        assert PASSWORD not in await complete_logs(service)
