"""`POST /password`: the current password replaces it, and every session but a new one ends."""

import json
from typing import Any

import asyncpg
import bcrypt
import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import (
    DEVICE,
    PASSWORD,
    Person,
    bearing,
    browser_login,
    browser_refresh,
    cookies_of,
    everything,
    login,
    marker,
    me,
    new_person,
    problem_of,
    refresh,
    sessions_of,
    with_cookie,
)
from tests.support.servers import ISSUER

NEW = "another battery horse staple"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
LONGER = "Make the password longer by {}: it needs at least 15 characters."
SHORTER = "Make the password shorter: it may have at most 1,024 bytes."
OTHERS = "Use several unrelated words instead of"
WEAK = {
    "": ("too_short", LONGER.format(15)),
    "a\u0301" * 12: ("too_short", LONGER.format(3)),
    "\u00e9" * 513: ("too_long", SHORTER),
    "\ufdfa" * 100: ("too_long", SHORTER),  # NFKC makes 33 bytes of each.
    "PerAsperaAdAstra": ("common", f"{OTHERS} a password that many people have."),
    "1234567890123456": ("predictable", f"{OTHERS} letters or digits in their usual order."),
}


async def change(
    client: httpx2.AsyncClient, access_token: str, current: str = PASSWORD, new: str = NEW, **headers: str
) -> httpx2.Response:
    body = {"current_password": current, "new_password": new}
    return await client.post("/password", json=body, headers=bearing(access_token) | headers)


async def account_of(sql: Sql, person: Person) -> asyncpg.Record | None:
    """The account, every column: equal before and after if a request changed nothing."""
    return await sql.fetchrow("SELECT * FROM accounts WHERE id = $1", person.id)


async def everything_of(sql: Sql, person: Person) -> tuple[asyncpg.Record | None, list[asyncpg.Record]]:
    return await account_of(sql, person), await sessions_of(sql, person)


async def assert_signs_in(client: httpx2.AsyncClient, person: Person, password: str, *, not_by: str) -> None:
    assert (await login(client, person, password=password)).status_code == 200
    problem_of(await login(client, person, password=not_by), 401, "invalid_credentials")


@pytest.fixture
async def access_token(client: httpx2.AsyncClient, person: Person) -> str:
    """Of the person's native client."""
    text: str = (await login(client, person)).json()["access_token"]
    return text


async def test_a_native_client_gets_the_tokens_of_a_new_session_which_is_the_only_one(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    cookie, browsers = await browser_login(client, person)
    mine, others = [(await login(client, person)).json() for _ in range(2)]
    renewed = (await refresh(client, others["refresh_token"])).json()
    stranger = (await login(client, await new_person(sql))).json()
    answer = await change(client, mine["access_token"])
    assert answer.status_code == 200
    assert (answer.headers["cache-control"], cookies_of(answer)) == ("no-store", [])
    tokens = answer.json()
    assert tokens.keys() == mine.keys()
    for access_token in (browsers, *(each["access_token"] for each in (mine, others, renewed))):
        problem_of(await me(client, access_token), 401, "invalid_token")
    for earlier in (mine, renewed):
        problem_of(await refresh(client, earlier["refresh_token"]), 401, "session_revoked")
    problem_of(await browser_refresh(client, cookie), 401, "session_revoked")
    assert (await me(client, tokens["access_token"])).json()["email"] == person.email
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200
    assert [row["client"] for row in await sessions_of(sql, person) if not row["revoked_at"]] == ["native"]
    assert (await refresh(client, stranger["refresh_token"])).status_code == 200
    await assert_signs_in(client, person, NEW, not_by=PASSWORD)


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": ISSUER}], ids=str)
async def test_a_browser_gets_its_new_refresh_token_in_the_cookie_only(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str]
) -> None:
    native = (await login(client, person)).json()
    old_cookie, access_token = await browser_login(client, person)
    answer = await change(client, access_token, **headers, **with_cookie(old_cookie))
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    given, known = cookies_of(answer)
    assert known.name == DEVICE
    assert given.value != old_cookie
    problem_of(await browser_refresh(client, old_cookie), 401, "session_revoked")
    problem_of(await refresh(client, native["refresh_token"]), 401, "session_revoked")
    for old in (access_token, native["access_token"]):
        problem_of(await me(client, old), 401, "invalid_token")
    assert (await me(client, answer.json()["access_token"])).status_code == 200
    assert (await browser_refresh(client, given.value)).status_code == 200
    assert [row["client"] for row in await sessions_of(sql, person) if not row["revoked_at"]] == ["browser"]
    await assert_signs_in(client, person, NEW, not_by=PASSWORD)


@pytest.mark.parametrize("wrong", ["", "x", PASSWORD.upper(), f"{PASSWORD} ", NEW, "x" * 5000])
async def test_a_wrong_current_password_changes_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, access_token: str, wrong: str
) -> None:
    before = await everything_of(sql, person)
    answer = await change(client, access_token, wrong)
    problem_of(answer, 401, "invalid_credentials")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert cookies_of(answer) == []
    assert await everything_of(sql, person) == before
    assert (await me(client, access_token)).status_code == 200
    await assert_signs_in(client, person, PASSWORD, not_by=NEW)


@pytest.mark.parametrize("new", WEAK, ids=lambda new: f"{len(new)} of {ascii(new)[:8]}")
@pytest.mark.parametrize("current", [PASSWORD, "a wrong password"])
async def test_a_weak_password_is_refused_with_the_reason_and_what_to_do_about_it(
    client: httpx2.AsyncClient, person: Person, sql: Sql, access_token: str, current: str, new: str
) -> None:
    before = await everything_of(sql, person)
    problem = problem_of(await change(client, access_token, current, new), 422, "invalid_request")
    reason, advice = WEAK[new]
    assert problem["errors"] == [{"field": "new_password", "reason": reason, "advice": advice}]
    assert await everything_of(sql, person) == before


async def test_no_password_comes_back(client: httpx2.AsyncClient, person: Person, access_token: str) -> None:
    secret = marker()
    for current, new in ((secret, NEW), (secret, secret[:10]), (PASSWORD, secret * 40), (PASSWORD, secret)):
        answer = everything(await change(client, access_token, current, new))
        assert secret[:10] not in answer
        assert PASSWORD not in answer
    await assert_signs_in(client, person, secret, not_by=PASSWORD)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"new_password": NEW}, [("current_password", "missing")]),
        ({"current_password": PASSWORD}, [("new_password", "missing")]),
        ({}, [("current_password", "missing"), ("new_password", "missing")]),
        ({"current_password": PASSWORD, "new_password": NEW, "other": "zq"}, [("other", "extra_forbidden")]),
        ({"current_password": PASSWORD, "new_password": [NEW]}, [("new_password", "string_type")]),
        ({"current_password": None, "new_password": NEW}, [("current_password", "string_type")]),
        ([PASSWORD, NEW], [("", "model_type")]),
    ],
    ids=str,
)
async def test_a_body_of_another_form_changes_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, access_token: str, body: Any, errors: list[Any]
) -> None:
    before = await everything_of(sql, person)
    answer = await client.post("/password", json=body, headers=bearing(access_token))
    listed = problem_of(answer, 422, "invalid_request").get("errors", [])
    assert [(error["field"], error["reason"]) for error in listed] == errors
    assert not [text for text in (PASSWORD, NEW, "zq") if text in everything(answer)]
    assert await everything_of(sql, person) == before


async def test_a_body_that_is_not_json_changes_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, access_token: str
) -> None:
    before, fields = await everything_of(sql, person), {"current_password": PASSWORD, "new_password": NEW}
    bearer, typed = bearing(access_token), {"Content-Type": "application/json"}
    problem_of(await client.post("/password", data=fields, headers=bearer), 415, "unsupported_media_type")
    untyped = await client.post("/password", content=json.dumps(fields), headers=bearer)
    problem_of(untyped, 415, "unsupported_media_type")
    surrogates = json.dumps({"current_password": PASSWORD, "new_password": "\ud800" * 20})
    for content in ("", "{", "null", "\xff", surrogates):
        answer = await client.post("/password", content=content, headers=bearer | typed)
        problem_of(answer, 422, "invalid_request")
    problem_of(await client.post("/password", headers=bearer), 422, "invalid_request")
    assert await everything_of(sql, person) == before


async def test_only_a_bearer_of_a_living_session_of_an_enabled_account_may_ask(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    cookie, ended = await browser_login(client, person)
    await client.post("/logout", headers=bearing(ended))
    cookie, living = await browser_login(client, person)
    before, body = await everything_of(sql, person), {"current_password": PASSWORD, "new_password": NEW}
    others = (with_cookie(cookie), bearing(ended), bearing("x"), bearing(cookie), {"Authorization": living})
    for headers in ({}, *others):
        problem_of(await client.post("/password", json=body, headers=headers), 401, "invalid_token")
    assert await everything_of(sql, person) == before
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", person.id)
    before = await everything_of(sql, person)
    problem_of(await change(client, living), 401, "invalid_token")
    assert await everything_of(sql, person) == before


@pytest.mark.parametrize("kind", ["browser", "native"])
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.net"}, {"Origin": "null"}],
    ids=str,
)
async def test_another_sites_page_changes_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str], kind: str
) -> None:
    access_token = (await login(client, person, kind=kind)).json()["access_token"]
    before = await everything_of(sql, person)
    for current, new in ((PASSWORD, NEW), (PASSWORD, "x"), ("wrong", NEW)):
        problem_of(await change(client, access_token, current, new, **headers), 403, "cross_site_request")
    assert await everything_of(sql, person) == before


async def test_a_page_gets_no_refresh_token_by_a_native_clients_access_token(
    client: httpx2.AsyncClient, person: Person, sql: Sql, access_token: str
) -> None:
    before = await everything_of(sql, person)
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": ISSUER}):
        problem_of(await change(client, access_token, **headers), 422, "invalid_request")
    assert await everything_of(sql, person) == before


async def test_another_spelling_of_the_current_password_is_the_same_one(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    person = await new_person(sql)
    for current, new, spelling in (
        (PASSWORD.replace("o", "\uff4f"), "zo\u00eb battery horse staple", "zoe\u0308 battery horse staple"),
        ("zoe\u0308 battery horse \uff53taple", "\ufb01ve battery horse staple", "five battery horse staple"),
    ):
        access_token = (await login(client, person, password=current)).json()["access_token"]
        assert (await change(client, access_token, current, new)).status_code == 200
        await assert_signs_in(client, person, spelling, not_by=PASSWORD)


async def test_a_hash_that_was_imported_is_a_current_password_too(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    person = await new_person(sql, password_hash=BCRYPT)
    access_token = (await login(client, person)).json()["access_token"]
    # The login replaced it.
    await sql.execute("UPDATE accounts SET password_hash = $2 WHERE id = $1", person.id, BCRYPT)
    problem_of(await change(client, access_token, f"{PASSWORD}x"), 401, "invalid_credentials")
    assert (await change(client, access_token)).status_code == 200
    kept = await account_of(sql, person)
    assert kept is not None
    assert kept["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept["password_version"] == 2
    await assert_signs_in(client, person, NEW, not_by=PASSWORD)
