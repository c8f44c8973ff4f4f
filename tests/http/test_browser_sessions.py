"""A browser's session: the cookie's exact form, and where its refresh token may be seen."""

import re

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import (
    COOKIE,
    DEVICE,
    PASSWORD,
    Person,
    SetCookie,
    browser_login,
    browser_refresh,
    cookie_of,
    cookies_of,
    login,
    me,
    new_person,
    problem_of,
    refresh,
    sessions_of,
    with_cookie,
)

pytestmark = pytest.mark.requirement("C1", "C2")

# The cookies of development; test_cookies.py shows those of https.
ALWAYS = {"path": "/", "httponly": "", "samesite": "Strict"}
DAY = 86_400


def refresh_cookie(token: str, seconds: int) -> SetCookie:
    return SetCookie(COOKIE, token, {**ALWAYS, "max-age": str(seconds)})


async def test_login_sets_two_cookies_with_exactly_these_attributes(
    client: httpx2.AsyncClient, person: Person
) -> None:
    answer = await login(client, person, kind="browser")
    token = cookie_of(answer)
    assert re.fullmatch(r"wwr_[A-Za-z0-9_-]{76}", token)
    device = cookie_of(answer, DEVICE)
    assert re.fullmatch(r"wwd_[A-Za-z0-9_-]{36}", device)
    known = SetCookie(DEVICE, device, {**ALWAYS, "max-age": str(400 * DAY)})
    assert cookies_of(answer) == [refresh_cookie(token, 30 * DAY), known]


async def test_a_login_that_names_no_kind_of_client_is_a_browsers(
    client: httpx2.AsyncClient, person: Person
) -> None:
    answer = await client.post("/login", json={"email": person.email, "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert {cookie.name for cookie in cookies_of(answer)} == {COOKIE, DEVICE}


async def test_a_login_of_another_site_that_names_no_kind_of_client_is_refused(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    credentials = {"email": person.email, "password": PASSWORD}
    answer = await client.post("/login", json=credentials, headers={"Origin": "https://evil.example"})
    problem_of(answer, 403, "cross_site_request")
    assert await sessions_of(sql, person) == []


async def test_refresh_sets_the_successor_with_the_same_name_and_attributes(
    client: httpx2.AsyncClient, person: Person
) -> None:
    first, _ = await browser_login(client, person)
    answer = await browser_refresh(client, first)
    token = cookie_of(answer)
    assert re.fullmatch(r"wwr_[A-Za-z0-9_-]{76}", token)
    assert token != first
    (cookie,) = cookies_of(answer)
    assert cookie == refresh_cookie(token, int(cookie.attributes["max-age"]))


async def test_logout_clears_the_cookie_under_the_same_name_path_and_attributes(
    client: httpx2.AsyncClient, person: Person
) -> None:
    token, _ = await browser_login(client, person)
    answer = await client.post("/logout", headers=with_cookie(token))
    assert answer.status_code == 204
    assert cookies_of(answer) == [refresh_cookie("", 0)]
    assert answer.headers["cache-control"] == "no-store"


async def test_a_browser_finds_its_refresh_token_in_the_cookie_only(
    client: httpx2.AsyncClient, person: Person
) -> None:
    opened = await login(client, person, kind="browser")
    renewed = await browser_refresh(client, cookie_of(opened))
    for answer in (opened, renewed):
        assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
        assert "wwr_" not in answer.text
        others = [value for name, value in answer.headers.multi_items() if name != "set-cookie"]
        assert not any("wwr_" in value for value in others)
        assert answer.headers["cache-control"] == "no-store"


async def test_a_native_client_finds_its_refresh_token_in_the_body_and_gets_no_cookie(
    client: httpx2.AsyncClient, person: Person
) -> None:
    opened = await login(client, person)
    renewed = await refresh(client, opened.json()["refresh_token"])
    for answer in (opened, renewed):
        assert answer.json().keys() == {
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
            "refresh_expires_in",
        }
        assert not any("wwr_" in value for value in answer.headers.values())
        assert cookies_of(answer) == []
        assert answer.headers["cache-control"] == "no-store"


async def test_the_cookie_lives_as_long_as_the_session_may_and_no_refresh_prolongs_it(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token, _ = await browser_login(client, person)
    await sql.execute(
        "UPDATE sessions SET expires_at = clock_timestamp() + interval '1000 s' WHERE account_id = $1",
        person.id,
    )
    (cookie,) = cookies_of(await browser_refresh(client, token))
    assert 960 <= int(cookie.attributes["max-age"]) <= 1000


@pytest.mark.requirement("R8")
async def test_a_login_never_adopts_the_cookie_that_it_is_offered(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    attacker = await new_person(sql)
    planted, _ = await browser_login(client, attacker)
    credentials = {"email": person.email, "password": PASSWORD, "client": "browser"}
    answer = await client.post("/login", json=credentials, headers=with_cookie(planted))
    assert answer.status_code == 200
    given = cookie_of(answer)
    assert given[4:40] != planted[4:40], "the new token names the planted session"
    (session,) = await sessions_of(sql, person)
    (planted_session,) = await sessions_of(sql, attacker)
    assert session["id"] != planted_session["id"]
    opened = answer.json()["access_token"]
    assert (await me(client, opened)).json()["email"] == person.email
    problem_of(await browser_refresh(client, planted), 401, "session_revoked")


DEAD_FOR_GOOD = {
    "refresh_token_expired": "UPDATE sessions SET expires_at = clock_timestamp() WHERE account_id = $1",
    "session_revoked": "UPDATE sessions SET revoked_at = clock_timestamp() WHERE account_id = $1",
    "refresh_token_reused": """
        UPDATE sessions SET superseded_at = ARRAY[superseded_at[1] - interval '61 s'] WHERE account_id = $1
    """,
}


@pytest.mark.parametrize("code", DEAD_FOR_GOOD)
async def test_a_refused_refresh_clears_the_cookie_of_a_session_that_is_dead_for_good(
    client: httpx2.AsyncClient, person: Person, sql: Sql, code: str
) -> None:
    token, _ = await browser_login(client, person)
    assert (await browser_refresh(client, token)).status_code == 200
    await sql.execute(DEAD_FOR_GOOD[code], person.id)
    answer = await browser_refresh(client, token)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert cookies_of(answer) == [refresh_cookie("", 0)]


@pytest.mark.parametrize("code", DEAD_FOR_GOOD)
async def test_a_native_client_is_never_sent_a_clearing_cookie_by_refresh(
    client: httpx2.AsyncClient, person: Person, sql: Sql, code: str
) -> None:
    token = (await login(client, person)).json()["refresh_token"]
    assert (await refresh(client, token)).status_code == 200
    await sql.execute(DEAD_FOR_GOOD[code], person.id)
    answer = await refresh(client, token)
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert cookies_of(answer) == []


@pytest.mark.parametrize("presented", ["", "garbage", "wwr_", "wwr_" + "A" * 76, "a token of another kind"])
async def test_a_refresh_with_no_token_of_ours_clears_no_cookie(
    client: httpx2.AsyncClient, person: Person, presented: str
) -> None:
    if presented == "a token of another kind":
        presented = (await login(client, person)).json()["refresh_token"]
    answer = await browser_refresh(client, presented)
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_invalid")
    assert cookies_of(answer) == []


async def test_a_refresh_without_a_token_is_refused_as_such_and_clears_no_cookie(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/refresh")
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_missing")
    assert cookies_of(answer) == []


async def test_a_refused_login_sets_no_cookie(client: httpx2.AsyncClient, person: Person) -> None:
    answer = await login(client, person, kind="browser", password="not the password at all")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert cookies_of(answer) == []
