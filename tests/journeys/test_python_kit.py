"""The kit for Python services against the real service: rotation, outages, cold starts and storms."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from app.dev import Servers
from conformance.minting import b64
from testing.clock import ManualClock, eventually
from testing.verdicts import Make, reason
from tests.support.database import Sql, connect
from tests.support.issuers import AUDIENCE, own_issuer
from tests.support.people import Person, login, new_person
from tests.support.servers import Service, app
from tests.support.waiting import client_of
from watchword_verifier import ClientCredentials, Options, Reason, Verifier
from watchword_verifier.credentials import ClientToken
from watchword_verifier.discovery import Discovery
from watchword_verifier.fetching import Http

KEY_SET = "/.well-known/jwks.json"


class Clock(ManualClock):
    """Ages pass as the test says; the times in tokens are those of the service."""

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
    return await new_person(own_sql, "admin")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(issuer: Service, clock: Clock) -> Iterator[Make]:
    made: list[Verifier] = []

    def verifier() -> Verifier:
        options = Options(issuer.environment["AUTH_ISSUER"], AUDIENCE, patience=60)
        made.append(Verifier(options, clock=clock))
        return made[-1]

    yield verifier
    for one in made:
        one.close()


async def token_of(issuer: Service, member: Person) -> str:
    async with client_of(issuer) as client:
        return str((await login(client, member)).json()["access_token"])


async def keys(issuer: Service, *arguments: str) -> str:
    done = await asyncio.to_thread(app, "keys", *arguments, environment=issuer.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fetches(issuer: Service) -> int:
    """How often the key set was asked for until now, by the log of the service."""

    def logged(route: str) -> int:
        return issuer.logs().count(f'"route":"{route}"')

    before = logged("/me")
    httpx2.get(f"http://127.0.0.1:{issuer.port}/me", trust_env=False)
    eventually(lambda: logged("/me") > before)  # Lines are written in their order.
    return logged(KEY_SET)


def refreshed(verifier: Verifier, clock: Clock) -> None:
    """Let the keys grow old, and wait until they are fetched again."""
    eventually(lambda: clock.waits(270, 300))
    clock.advance(300)
    eventually(lambda: verifier.health().keys_age == 0)


async def test_a_token_of_the_service_stands_for_its_account(
    issuer: Service, member: Person, make: Make
) -> None:
    async with client_of(issuer) as client:
        answer = (await login(client, member, kind="browser")).json()

    identity = await make().verify(answer["access_token"])

    assert (identity.subject, identity.client_id, identity.roles) == (str(member.id), "browser", ("admin",))
    assert identity.methods == ("pwd",)
    assert identity.session_id is not None


async def test_tokens_are_accepted_through_a_rotation_and_refused_after_a_retirement(
    issuer: Service, member: Person, make: Make, clock: Clock
) -> None:
    verifier = make()
    before = await token_of(issuer, member)
    old = (await verifier.verify(before)).key_id
    fetched = await asyncio.to_thread(fetches, issuer)
    await keys(issuer, "rotate", "--now")
    async with client_of(issuer) as client:  # The service follows within seconds.
        while True:
            after = str((await login(client, member)).json()["access_token"])
            if (new := (await verifier.verify(after)).key_id) != old:
                break
    # The new key was published before it signed, so nothing had to be fetched.
    assert await asyncio.to_thread(fetches, issuer) == fetched
    assert (await verifier.verify(before)).key_id == old

    await keys(issuer, "retire", old, "--yes")
    await asyncio.to_thread(eventually, lambda: old not in _kids(issuer))
    await asyncio.to_thread(refreshed, verifier, clock)

    assert reason(verifier, before) == Reason.UNKNOWN_KEY
    assert (await verifier.verify(after)).key_id == new


def _kids(issuer: Service) -> str:
    return httpx2.get(f"http://127.0.0.1:{issuer.port}{KEY_SET}", trust_env=False).text


async def test_a_stopped_service_is_missed_by_no_request_and_a_cold_start_recovers(
    issuer: Service, member: Person, make: Make, clock: Clock
) -> None:
    warm, cold = make(), make()
    token = await token_of(issuer, member)
    await warm.verify(token)

    issuer.terminate()
    await asyncio.to_thread(eventually, lambda: clock.waits(270, 300))
    clock.advance(300)
    await asyncio.to_thread(eventually, lambda: warm.health().keys_error)
    assert reason(warm, token) is None
    assert reason(cold, token) == 1

    await asyncio.to_thread(issuer.start)
    clock.advance_until(lambda: reason(cold, token) is None)
    clock.advance_until(lambda: warm.health().keys_error is None)


async def test_a_logout_counts_by_the_status_list_also_while_the_service_is_stopped(
    issuer: Service, member: Person, make: Make, clock: Clock
) -> None:
    verifier = make()
    ended, other = await token_of(issuer, member), await token_of(issuer, member)
    assert (await verifier.verify(ended)).status != (await verifier.verify(other)).status
    async with client_of(issuer) as client:
        done = await client.post("/logout/all", headers={"Authorization": f"Bearer {ended}"}, json={})
        assert done.status_code == 204, done.text
        later = str((await login(client, member)).json()["access_token"])

    clock.advance_until(lambda: reason(verifier, ended) == Reason.REVOKED)
    clock.advance_until(lambda: reason(verifier, other) == Reason.REVOKED)
    assert reason(verifier, later) is None
    issuer.terminate()
    clock.advance(60)
    assert [reason(verifier, token) for token in (ended, other, later)] == [
        Reason.REVOKED, Reason.REVOKED, None
    ]  # fmt: skip
    await asyncio.to_thread(issuer.start)


async def test_ten_thousand_unknown_kids_reach_the_service_once(
    issuer: Service, member: Person, make: Make, clock: Clock
) -> None:
    verifier = make()
    token = await token_of(issuer, member)
    await verifier.verify(token)
    fetched = await asyncio.to_thread(fetches, issuer)
    _, payload, signature = token.split(".")

    def unknown(number: int) -> str:
        header = json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": f"unknown-{number}"})
        return f"{b64(header.encode())}.{payload}.{signature}"

    clock.advance(30)
    assert {reason(verifier, unknown(number)) for number in range(10_000)} == {Reason.UNKNOWN_KEY}

    assert await asyncio.to_thread(fetches, issuer) == fetched + 1
    assert (await verifier.verify(token)).subject == str(member.id)


async def test_the_kit_s_own_credentials_get_a_token_which_the_kit_accepts(
    issuer: Service, make: Make, clock: Clock
) -> None:
    create = ("clients", "create", f"orders-{uuid4().hex[:8]}", "--scope", "revocations:read", "--json")
    done = await asyncio.to_thread(app, *create, environment=issuer.environment)
    assert done.returncode == 0, done.stderr
    created = json.loads(done.stdout)
    http = Http(clock)
    url = issuer.environment["AUTH_ISSUER"]
    credentials = ClientCredentials(created["client_id"], created["client_secret"])
    token = await ClientToken(credentials, url, http, Discovery(url, http, clock), clock).get()
    await http.close()

    identity = await make().verify(token)

    assert identity.is_client
    assert (identity.scopes, identity.session_id) == (("revocations:read",), None)


def test_the_kit_shares_no_code_with_the_service() -> None:
    kit = Path(__file__).parents[2] / "kits/python"
    sources = [path.read_text() for path in kit.rglob("*.py")]
    assert sources
    assert not any("from app" in source or "import app" in source for source in sources)
