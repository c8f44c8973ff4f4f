"""Behind PgBouncer, in session and in transaction mode, the service does all that it does without."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.dev import Servers
from app.storage.postgres.connections import Connector
from app.storage.postgres.database import open_database
from app.storage.postgres.outages import Misconfigured
from tests.support.database import connect
from tests.support.people import login, me, new_person
from tests.support.postgres import PASSWORD, Postgres, needs_pgbouncer, pgbouncer, postgres
from tests.support.servers import Service, app, environment_of
from tests.support.waiting import WELL, client_of, health

pytestmark = needs_pgbouncer
AT_ONCE = 12


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("setting", ["auto", "on"])
async def test_a_whole_journey_goes_through_a_pooler(
    server: Postgres, servers: Servers, tmp_path: Path, mode: str, setting: str
) -> None:
    database = f"{mode}_{setting}"
    await server.execute(f"CREATE DATABASE {database} TEMPLATE template0")
    # Of the connections in session mode, each needs one to Postgres for itself.
    size = "2" if mode == "transaction" else "20"
    with pgbouncer(server, mode, default_pool_size=size) as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/{database}"
        environment = environment_of(Servers(url, servers.redis_url)) | {"AUTH_DATABASE_POOLER": setting}
        migrated = await asyncio.to_thread(app, "migrate", environment=environment)
        assert (migrated.returncode, migrated.stderr) == (0, "")
        sql = await connect(server.url(database=database))
        person = await new_person(sql)
        with Service(environment, tmp_path) as service:
            async with client_of(service) as client:
                assert await health(client) == (200, WELL)
                signed_in = (await login(client, person)).json()
                for _ in range(3):
                    body = {"refresh_token": signed_in["refresh_token"]}
                    answers = await asyncio.gather(
                        *(client.post("/refresh", json=body) for _ in range(AT_ONCE))
                    )
                    assert {answer.status_code for answer in answers} == {200}
                    (token,) = {answer.json()["refresh_token"] for answer in answers}
                    signed_in = answers[0].json() | {"refresh_token": token}
                assert (await me(client, signed_in["access_token"])).status_code == 200
                rotated = await asyncio.to_thread(app, "keys", "rotate", "--now", environment=environment)
                assert rotated.returncode == 0, rotated.stderr
                several = await asyncio.gather(*(login(client, person) for _ in range(4)))
                assert {answer.status_code for answer in several} == {200}
                left = await client.post("/logout", json={"refresh_token": signed_in["refresh_token"]})
                assert left.status_code == 204
                again = await client.post("/refresh", json={"refresh_token": signed_in["refresh_token"]})
                assert again.status_code == 401
                assert (await me(client, signed_in["access_token"])).status_code == 401
            assert "Traceback" not in service.logs()
        checked = await asyncio.to_thread(app, "check-config", environment=environment)
        assert "A pooler answers in front of Postgres" in checked.stdout
        purged = await asyncio.to_thread(app, "purge", environment=environment)
        assert (purged.returncode, purged.stderr) == (0, "")
        await sql.close()


@pytest.mark.parametrize(
    ("mode", "ignored"),
    [
        ("session", ""),
        ("transaction", ""),
        (
            "transaction",
            "default_transaction_isolation,statement_timeout,idle_in_transaction_session_timeout",
        ),
    ],
)
async def test_each_transaction_through_a_pooler_has_the_limits_and_the_isolation(
    server: Postgres, mode: str, ignored: str
) -> None:
    await server.execute("ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'")
    question = """
    SELECT current_setting('transaction_isolation') AS isolation,
        current_setting('statement_timeout') AS statement,
        current_setting('idle_in_transaction_session_timeout') AS idle
    """
    expected = ("read committed", "5s", "5s")
    settings = {"ignore_startup_parameters": ignored} if ignored else {}
    size = 2 if mode == "session" else 4
    with pgbouncer(server, mode, default_pool_size="2", **settings) as port:
        database = open_database(f"postgresql://postgres@127.0.0.1:{port}/postgres", pool_size=size)
        for _ in range(3):
            rows = await asyncio.gather(*(database.rows(question) for _ in range(4)))
            assert {tuple(row) for (row,) in rows} == {expected}
            async with database.transaction() as connection:
                (row,) = await connection.fetch(question)
                assert tuple(row) == expected
        await database.close()
    await server.execute("ALTER DATABASE postgres RESET default_transaction_isolation")


async def test_a_pooler_that_the_settings_deny_is_named(server: Postgres) -> None:
    with pgbouncer(server, "session") as port:
        database = open_database(
            f"postgresql://postgres@127.0.0.1:{port}/postgres", pool_size=1, through_pooler=False
        )
        with pytest.raises(Misconfigured) as refused:
            await database.ping()
        assert refused.value.reason.startswith("AUTH_DATABASE_POOLER: is off")
        await database.close()


async def test_options_that_a_pooler_refuses_are_named(server: Postgres) -> None:
    with pgbouncer(server, "session") as port:
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres?options=-c%20search_path%3Dx"
        database = open_database(url, pool_size=1)
        with pytest.raises(Misconfigured) as refused:
            await database.ping()
        assert refused.value.reason.startswith("AUTH_DATABASE_URL: the pooler says: ")
        assert "options" in refused.value.reason
        await database.close()


@pytest.mark.parametrize("kind", ["scram-sha-256", "md5"])
async def test_a_pooler_s_refusal_of_a_login_is_one_of_postgres(server: Postgres, kind: str) -> None:
    with pgbouncer(server, "transaction", auth_type=kind) as port:
        place = f"127.0.0.1:{port}/postgres"
        told = [f"postgresql://watchword:old@{place}"]
        connector = Connector(told[0], read_again=lambda: told[0])
        with pytest.raises(Misconfigured) as refused:
            await connector.connect()
        assert refused.value.reason.startswith("AUTH_DATABASE_URL: the pooler says: ")
        assert "authentication failed" in refused.value.reason
        told[0] = f"postgresql://postgres:{PASSWORD}@{place}"
        await (await connector.connect()).close()
        for missing in (f"postgresql://postgres:{PASSWORD}@{place}missing", f"postgresql://nobody:x@{place}"):
            with pytest.raises(Misconfigured):
                await Connector(missing).connect()
