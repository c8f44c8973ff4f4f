"""The feed misses nothing: late commits, open transactions, replicas that are killed, backups, the kit."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from app.dev import Servers
from testing.verdicts import reason
from tests.support.clients import ServiceClient, new_client
from tests.support.database import Sql, connect
from tests.support.feeds import SCOPE, listener_token, listening
from tests.support.people import login, new_person
from tests.support.servers import PrivateServers, Service, database, environment_of, free_port, migrate
from tests.support.waiting import client_of, eventually
from watchword_verifier import ClientCredentials, Options, Reason, Verifier

pytestmark = pytest.mark.requirement("L4")

REVOKE = """INSERT INTO revocations (id, expires_at, kind, subject, reason)
            VALUES ($1, now() + interval '16 minutes', 'session', $2, 'logout')"""


@pytest.fixture
def own(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A database of this test, in which no other test ends sessions."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate({"AUTH_DATABASE_URL": url})
        yield environment | {"AUTH_DATABASE_URL": url}


@pytest.fixture
async def own_sql(own: dict[str, str]) -> AsyncIterator[Sql]:
    connection = await connect(own["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


async def revoke_late(url: str, number: int, width: int = 8) -> list[str]:
    """So many revocations in transactions that overlap, of which those that began first commit last."""
    entries = [str(uuid4()) for _ in range(number)]
    connections = [await connect(url) for _ in range(width)]
    for start in range(0, number, width):
        rows = list(zip(connections, entries[start : start + width], strict=False))
        open_ones = []
        for connection, entry in rows:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(REVOKE, entry, uuid4())
            open_ones.append(transaction)
        for transaction in reversed(open_ones):
            await transaction.commit()
    for connection in connections:
        await connection.close()
    return entries


async def test_of_a_thousand_late_commits_none_is_missed_though_a_foreign_transaction_stays_open(
    own: dict[str, str], own_sql: Sql, tmp_path: Path
) -> None:
    url = own["AUTH_DATABASE_URL"]
    foreign = await connect(url)
    transaction = foreign.transaction()
    await transaction.start()
    await foreign.execute("CREATE TABLE foreign_work (id int)")
    with Service(own, tmp_path) as service:
        async with client_of(service) as client:
            _, token = await listener_token(client, own_sql)
            async with listening(client, token) as heard:
                assert (await heard.event()).name == "ready"
                revoking = asyncio.create_task(revoke_late(url, 1000))
                found = await heard.revoked(1000)
                entries = await revoking
            assert sorted(found) == sorted(entries)
            # One who resumes in the middle of them hears all that follow, too.
            async with listening(client, token, heard.id) as again:
                assert (await again.event()).name == "ready"
    await transaction.rollback()
    await foreign.close()


async def test_listeners_of_two_replicas_hear_the_same_and_resume_at_the_other_one_when_one_is_killed(
    own: dict[str, str], own_sql: Sql, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with Service(own, tmp_path / "a") as first, Service(own, tmp_path / "b") as second:
        async with client_of(first) as one, client_of(second) as two:
            _, token = await listener_token(one, own_sql)
            async with listening(one, token) as heard, listening(two, token) as other:
                for each in (heard, other):
                    assert (await each.event()).name == "ready"
                person = await new_person(own_sql)
                tokens = (await login(one, person)).json()
                await one.post("/logout", json={"refresh_token": tokens["refresh_token"]})
                event = await heard.event()
                assert event.data["sub"] == str(person.id)
                assert (await other.event()).data == event.data
                first.kill()
                with pytest.raises(httpx2.TransportError):
                    await heard.event()
            missed = await revoke_late(own["AUTH_DATABASE_URL"], 20)
            async with listening(two, token, heard.id) as resumed:
                assert sorted(await resumed.revoked(20)) == sorted(missed)
                assert (await resumed.event()).name == "ready"


async def test_after_a_crash_of_postgres_and_after_a_restored_backup_listeners_are_reset(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    environment = private_servers.environment
    migrate(environment)
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            sql = await connect(environment["AUTH_DATABASE_URL"])
            _, token = await listener_token(client, sql)
            await sql.close()
            async with listening(client, token) as heard:
                before = await heard.event()
                await asyncio.to_thread(private_servers.postgres.kill)
                await asyncio.to_thread(private_servers.postgres.start)
                reset = await heard.event()
                assert reset.name == "reset"
                assert reset.id.partition(".")[0] != before.id.partition(".")[0]
            # A backup that is restored into another server has another epoch as well.
            async with listening(client, token, before.id) as heard:
                assert [(await heard.event()).name for _ in range(2)] == ["reset", "ready"]


async def test_a_listener_that_comes_with_an_id_of_another_server_is_reset(
    own: dict[str, str], own_sql: Sql, private_servers: PrivateServers, tmp_path: Path
) -> None:
    """As after a backup was restored into another server, which has the same rows."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    other = environment_of(Servers(private_servers.postgres.url, own["AUTH_REDIS_URL"]))
    migrate(other)
    with Service(own, tmp_path / "a") as first, Service(other, tmp_path / "b") as second:
        async with client_of(first) as one, client_of(second) as two:
            _, token = await listener_token(one, own_sql)
            async with listening(one, token) as heard:
                await heard.event()
            sql = await connect(other["AUTH_DATABASE_URL"])
            _, token = await listener_token(two, sql)
            await sql.close()
            async with listening(two, token, heard.id) as resumed:
                assert [(await resumed.event()).name for _ in range(2)] == ["reset", "ready"]


async def test_the_kits_verifier_refuses_a_token_as_soon_as_its_session_has_ended(
    own: dict[str, str], own_sql: Sql, tmp_path: Path
) -> None:
    port = free_port()
    issuer = f"http://localhost:{port}"
    orders: ServiceClient = await new_client(own_sql, SCOPE)
    options = Options(
        issuer,
        issuer,
        revocation="feed",
        client=ClientCredentials(str(orders.id), orders.secret),
        patience=60,
    )
    with Service(own | {"AUTH_ISSUER": issuer, "AUTH_AUDIENCE": issuer}, tmp_path, port=port) as service:
        verifier = Verifier(options)
        verifier.start()
        await asyncio.to_thread(eventually, lambda: verifier.health().feed_is_live)
        async with client_of(service) as client:
            person = await new_person(own_sql)
            tokens, others = [(await login(client, person)).json() for _ in range(2)]
            assert await asyncio.to_thread(reason, verifier, tokens["access_token"]) is None
            await client.post("/logout", json={"refresh_token": tokens["refresh_token"]})

        def is_refused() -> bool:
            return reason(verifier, tokens["access_token"]) == Reason.REVOKED

        await asyncio.to_thread(eventually, is_refused)
        assert await asyncio.to_thread(reason, verifier, others["access_token"]) is None
        assert verifier.health().feed_is_live
        verifier.close()
    assert json.dumps(orders.secret) not in service.logs()
