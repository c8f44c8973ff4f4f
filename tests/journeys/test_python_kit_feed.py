"""The kit listens to the real feed: a logout counts without the list being read again."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from app.dev import Servers
from testing.clock import ManualClock, eventually
from testing.verdicts import reason
from tests.support.database import Sql, connect
from tests.support.issuers import AUDIENCE, own_issuer
from tests.support.people import Person, login, new_person
from tests.support.servers import Service, app
from tests.support.waiting import client_of
from watchword_verifier import ClientCredentials, Options, Reason, Verifier


class Clock(ManualClock):
    """Ages pass as the test says, so no list is read again; the times in tokens are those of the service."""

    def wall(self) -> float:
        return time.time()


@pytest.fixture(scope="module")
def issuer(
    servers: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with own_issuer(servers, environment, tmp_path_factory.mktemp("issuer")) as service:
        yield service


@pytest.fixture
async def own_sql(issuer: Service) -> AsyncIterator[Sql]:
    connection = await connect(issuer.environment["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def member(own_sql: Sql) -> Person:
    return await new_person(own_sql)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(issuer: Service, clock: Clock) -> Iterator[Verifier]:
    create = ("clients", "create", f"orders-{uuid4().hex[:8]}", "--scope", "revocations:read", "--json")
    done = app(*create, environment=issuer.environment)
    assert done.returncode == 0, done.stderr
    created = json.loads(done.stdout)
    client = ClientCredentials(created["client_id"], created["client_secret"])
    options = Options(issuer.environment["AUTH_ISSUER"], AUDIENCE, "feed", client, patience=60)
    verifier = Verifier(options, clock=clock)
    verifier.start()
    eventually(lambda: verifier.health().feed_is_live)
    yield verifier
    verifier.close()


async def token_of(issuer: Service, member: Person) -> str:
    async with client_of(issuer) as client:
        return str((await login(client, member)).json()["access_token"])


async def sign_out(issuer: Service, token: str) -> None:
    async with client_of(issuer) as client:
        done = await client.post("/logout/all", headers={"Authorization": f"Bearer {token}"}, json={})
        assert done.status_code == 204, done.text


async def test_a_logout_counts_before_the_list_is_read_again(
    issuer: Service, member: Person, own_sql: Sql, verifier: Verifier
) -> None:
    ended = await token_of(issuer, member)
    other = await token_of(issuer, await new_person(own_sql))
    assert (reason(verifier, ended), reason(verifier, other)) == (None, None)

    await sign_out(issuer, ended)

    await asyncio.to_thread(eventually, lambda: reason(verifier, ended) == Reason.REVOKED)
    assert reason(verifier, other) is None


async def test_what_happened_while_the_service_restarted_is_told_afterwards(
    issuer: Service, member: Person, verifier: Verifier, clock: Clock
) -> None:
    token = await token_of(issuer, member)
    assert reason(verifier, token) is None
    issuer.terminate()
    await asyncio.to_thread(issuer.start)
    await sign_out(issuer, token)

    clock.advance_until(lambda: verifier.health().feed_is_live)
    await asyncio.to_thread(eventually, lambda: reason(verifier, token) == Reason.REVOKED)


async def test_a_retired_key_counts_no_more_at_once(
    issuer: Service, member: Person, verifier: Verifier
) -> None:
    token = await token_of(issuer, member)
    kid = (await verifier.verify(token)).key_id
    done = await asyncio.to_thread(app, "keys", "retire", kid, "--yes", environment=issuer.environment)
    assert done.returncode == 0, done.stderr

    await asyncio.to_thread(eventually, lambda: reason(verifier, token) == Reason.UNKNOWN_KEY)
