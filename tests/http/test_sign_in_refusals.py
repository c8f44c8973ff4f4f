"""Refused sign-ins: no answer tells whether the account exists, and a flood is cut short."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx2
import pytest

from app.dev import Servers
from tests.support.connections import KEY_SET, peer, post
from tests.support.database import Sql
from tests.support.people import (
    PASSWORD,
    Person,
    everything,
    login,
    marker,
    me,
    new_person,
    problem_of,
    refresh,
    sessions_of,
)
from tests.support.servers import Service
from tests.support.waiting import client_of, complete_logs

pytestmark = pytest.mark.requirement("P2", "P4")

WRONG = "not the password at all"
OF_ITS_OWN = {b"date", b"x-request-id"}
"""Headers that each answer has with a value of its own."""


@pytest.fixture
async def disabled(sql: Sql) -> Person:
    """A person whose account was disabled."""
    person = await new_person(sql)
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", person.id)
    return person


@pytest.fixture(scope="module")
def narrow(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that hashes one password at a time and lets none wait."""
    one = environment | {"AUTH_PASSWORD_HASH_THREADS": "1", "AUTH_PASSWORD_HASH_QUEUE": "0"}
    with Service(one, tmp_path_factory.mktemp("narrow")) as service:
        yield service


@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_every_login_without_the_password_gets_the_same_answer(
    client: httpx2.AsyncClient, person: Person, disabled: Person, sql: Sql, kind: str
) -> None:
    broken = await new_person(sql, password_hash="no hash at all")
    planted = marker()
    attempts = {
        "a wrong password": (person.email, WRONG),
        "an unknown account": (f"{planted}@example.com", PASSWORD),
        "a disabled account and a wrong password": (disabled.email, WRONG),
        "an account whose hash cannot be read": (broken.email, PASSWORD),
        "an empty password": (person.email, ""),
        "an endless password": (person.email, planted * 100),
        "a password with a NUL": (person.email, f"{PASSWORD}\x00"),
        "a password in other letters": (person.email, PASSWORD.upper()),
        "the password and more": (person.email, f"{PASSWORD} "),
    }
    expected = None
    for attempt, (email, password) in attempts.items():
        credentials = {"email": email, "password": password, "client": kind}
        answer = await client.post("/login", json=credentials)
        problem_of(answer, 401, "invalid_credentials")
        seen = (answer.content, [field for field in answer.headers.raw if field[0].lower() not in OF_ITS_OWN])
        expected = expected or seen
        assert seen == expected, attempt
        assert planted not in everything(answer), attempt


async def test_a_login_with_text_that_is_no_address_names_the_field_and_not_the_password(
    client: httpx2.AsyncClient, person: Person
) -> None:
    planted = marker()
    for email in (
        planted,
        "",
        f"\x00{person.email}",
        f"{planted * 100}@example.com",
        f"a\u200b{person.email}",
    ):
        answer = await client.post("/login", json={"email": email, "password": PASSWORD})
        problem = problem_of(answer, 422, "invalid_request")
        assert [(error["field"], error["reason"]) for error in problem["errors"]] == [("email", "email")]
        assert planted not in everything(answer)


async def test_a_letter_that_cannot_be_seen_around_an_address_is_no_part_of_it(
    client: httpx2.AsyncClient, person: Person
) -> None:
    answer = await login(client, Person(person.id, f"\ufeff {person.email}\u200b\n"))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_only_the_right_password_reveals_that_the_account_is_disabled(
    client: httpx2.AsyncClient, disabled: Person, sql: Sql, kind: str
) -> None:
    answer = await login(client, disabled, kind=kind)
    problem_of(answer, 401, "account_disabled")
    assert disabled.email not in everything(answer)
    assert await sessions_of(sql, disabled) == []


async def test_a_flood_of_logins_is_answered_with_retry_after_while_other_requests_are_served(
    narrow: Service, person: Person, sql: Sql
) -> None:
    async with client_of(narrow) as client:
        tokens = (await login(client, person)).json()
        flood = asyncio.gather(*(login(client, person) for _ in range(10)))
        renewed = await refresh(client, tokens["refresh_token"])
        known = await me(client, tokens["access_token"])
        answers = await flood
    served = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert served
    assert refused
    for answer in refused:
        problem_of(answer, 503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
    assert len(await sessions_of(sql, person)) == 1 + len(served)
    assert (renewed.status_code, known.status_code) == (200, 200)


async def test_a_request_after_a_burst_of_logins_waits_for_few_of_them(
    narrow: Service, person: Person
) -> None:
    burst = post("/login", email=person.email, password=PASSWORD, client="native")
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer(narrow.port)) for _ in range(100)]
        last = await stack.enter_async_context(peer(narrow.port))
        for each in (*peers, last):
            await each.send(KEY_SET)
            assert (await each.answer()).status_code == 200
        # What comes while it is stopped is all there at once when it goes on.
        narrow.send_signal(signal.SIGSTOP)
        before = len(narrow.logs())
        for each in peers:
            await each.send(burst)
        await last.send(KEY_SET)
        narrow.send_signal(signal.SIGCONT)
        assert (await last.answer()).status_code == 200
        for each in peers:
            assert (await each.answer()).status_code in {200, 503}
    lines = [json.loads(line) for line in (await complete_logs(narrow))[before:].splitlines()]
    routes = [line["route"] for line in lines if line["event"] == "http.request"]
    assert routes.index("/.well-known/jwks.json") <= 1


async def test_a_flood_does_not_reveal_which_accounts_exist(
    narrow: Service, person: Person, disabled: Person
) -> None:
    async with client_of(narrow) as client:
        stranger = Person(person.id, f"{marker()}@example.com")
        people = [person, stranger, disabled] * 5
        answers = await asyncio.gather(*(login(client, each, password=WRONG) for each in people))
    overloaded = [answer for answer in answers if answer.status_code == 503]
    assert overloaded
    assert {answer.content for answer in overloaded} == {overloaded[0].content}
    assert {answer.json()["code"] for answer in answers} == {"overloaded", "invalid_credentials"}
