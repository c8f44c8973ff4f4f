"""A sign-in overwrites the browser's cookie, so it ends the session that the cookie held."""

import json
from uuid import uuid4

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.families import TOKENS
from tests.support.people import (
    PASSWORD,
    Person,
    browser_login,
    browser_refresh,
    cookie_of,
    login,
    me,
    new_person,
    problem_of,
    sessions_of,
    with_cookie,
)

pytestmark = pytest.mark.requirement("R8")

EVENTS = """
SELECT actor, actor_id, session_id, address, details FROM events WHERE account_id = $1 AND reason = 'replaced'
"""
OTHERS = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'native', '', now(), now() - interval '1 day', now() + interval '1 day'
FROM generate_series(1, 99)
"""


async def sign_in_again(
    client: httpx2.AsyncClient, person: Person, *cookies: str, password: str = PASSWORD, kind: str = "browser"
) -> httpx2.Response:
    """A client with these cookies signs in."""
    credentials = {"email": person.email, "password": password, "client": kind}
    return await client.post("/login", json=credentials, headers=with_cookie(*cookies))


async def ended(sql: Sql, person: Person) -> list[bool]:
    """Whether the sessions have ended, in the order in which they were opened."""
    return [row["revoked_at"] is not None for row in await sessions_of(sql, person)]


@pytest.mark.parametrize("whose", ["the same account", "another account"])
async def test_a_sign_in_ends_the_session_that_its_browser_holds(
    client: httpx2.AsyncClient, sql: Sql, person: Person, whose: str
) -> None:
    before = person if whose == "the same account" else await new_person(sql)
    held, access_token = await browser_login(client, before)
    (session,) = await sessions_of(sql, before)
    elsewhere, _ = await browser_login(client, before)

    opened = await sign_in_again(client, person, held)

    assert opened.status_code == 200
    assert (await ended(sql, before))[:2] == [True, False]
    problem_of(await browser_refresh(client, held), 401, "session_revoked")
    assert (await me(client, access_token)).status_code == 401
    for living in (cookie_of(opened), elsewhere):
        assert (await browser_refresh(client, living)).status_code == 200
    (event,) = await sql.fetch(EVENTS, before.id)
    assert tuple(event) == ("owner", str(before.id), session["id"], "127.0.0.1", "{}")


async def test_a_superseded_token_ends_its_session_too_and_is_no_reuse(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    """The answer with the successor may have been lost."""
    held, _ = await browser_login(client, person)
    assert (await browser_refresh(client, held)).status_code == 200
    assert (await sign_in_again(client, person, held)).status_code == 200
    assert await ended(sql, person) == [True, False]
    reuse = "SELECT count(*) FROM events WHERE account_id = $1 AND kind = 'session.reuse_detected'"
    assert await sql.fetchval(reuse, person.id) == 0


async def test_a_sign_in_that_fails_ends_nothing(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    held, _ = await browser_login(client, person)
    wrong = await sign_in_again(client, person, held, password="not the password")
    problem_of(wrong, 401, "invalid_credentials")
    assert (await browser_refresh(client, held)).status_code == 200


async def test_a_cookie_that_is_not_genuine_changes_nothing(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    held, _ = await browser_login(client, person)
    token = TOKENS.read(held)
    assert token is not None
    forged = TOKENS.first(token.session_id, bytes(16)).text
    of_no_session = TOKENS.first(uuid4(), bytes(16)).text
    for cookie in ("", "nonsense", held[:-1] + ("A" if held[-1] != "A" else "B"), forged, of_no_session):
        assert (await sign_in_again(client, person, cookie)).status_code == 200
    assert await ended(sql, person) == [False] * 6
    assert await sql.fetch(EVENTS, person.id) == []


async def test_a_session_that_had_ended_before_is_no_event(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    held, _ = await browser_login(client, person)
    assert (await client.post("/logout", headers=with_cookie(held))).status_code == 204
    assert (await sign_in_again(client, person, held)).status_code == 200
    assert await sql.fetch(EVENTS, person.id) == []


async def test_a_sign_in_with_two_cookies_is_refused_before_any_work(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    held, _ = await browser_login(client, person)
    problem_of(await sign_in_again(client, person, held, held), 422, "invalid_request")
    assert await ended(sql, person) == [False]


async def test_a_native_sign_in_does_not_look_at_cookies(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    held, _ = await browser_login(client, person)
    assert (await sign_in_again(client, person, held, held, kind="native")).status_code == 200
    assert await ended(sql, person) == [False, False]


async def test_the_session_that_a_browser_gives_up_makes_room_for_the_new_one(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    held, _ = await browser_login(client, person)
    await sql.execute(OTHERS, person.id)
    assert (await sign_in_again(client, person, held)).status_code == 200
    assert (await ended(sql, person)).count(False) == 100
    displaced = "SELECT count(*) FROM events WHERE account_id = $1 AND reason = 'displaced'"
    assert await sql.fetchval(displaced, person.id) == 0
    assert (await login(client, person)).status_code == 200
    assert (await ended(sql, person)).count(False) == 100
    events = "SELECT details FROM events WHERE account_id = $1 AND reason = 'displaced'"
    assert [json.loads(row["details"]) for row in await sql.fetch(events, person.id)] == [{"ended": 1}]
