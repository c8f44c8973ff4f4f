"""How a refresh token may come in: one at a time, and only the way its session was issued."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import (
    COOKIE,
    Person,
    browser_login,
    browser_refresh,
    cookie_of,
    cookies_of,
    login,
    problem_of,
    refresh,
    sessions_of,
    with_cookie,
)

pytestmark = pytest.mark.requirement("C5")

ROUTES = ["/refresh", "/logout"]

# A token and another one of the same person, both genuine, sent as a planted cookie would be.
TWICE: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "in one header": lambda mine, planted: {"headers": with_cookie(planted, mine)},
    "in one header, ours first": lambda mine, planted: {"headers": with_cookie(mine, planted)},
    "in two headers": lambda mine, planted: {
        "headers": [("Cookie", f"{COOKIE}={mine}"), ("Cookie", f"{COOKIE}={planted}")]
    },
    "the same one twice": lambda mine, _: {"headers": with_cookie(mine, mine)},
    "an empty one before it": lambda mine, _: {"headers": with_cookie("", mine)},
    "a cookie and a body": lambda mine, planted: {
        "headers": with_cookie(mine),
        "json": {"refresh_token": planted},
    },
    "the same as cookie and body": lambda mine, _: {
        "headers": with_cookie(mine),
        "json": {"refresh_token": mine},
    },
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("way", TWICE)
async def test_two_refresh_tokens_at_once_are_refused_and_change_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, way: str, route: str
) -> None:
    mine, _ = await browser_login(client, person)
    if "body" in way:
        planted = (await login(client, person)).json()["refresh_token"]
    else:
        planted, _ = await browser_login(client, person)
    before = await sessions_of(sql, person)

    answer = await client.post(route, **TWICE[way](mine, planted))

    problem_of(answer, 422, "invalid_request")
    assert cookies_of(answer) == []
    assert await sessions_of(sql, person) == before
    assert (await browser_refresh(client, mine)).status_code == 200


# Browsers let a subdomain plant a name that does not begin with the prefix, and a byte that a careless server
# takes for white space is such a beginning.
@pytest.mark.parametrize(
    "name",
    [
        "refresh_token",
        "__host-refresh_token",
        "__Host-refresh_token2",
        "x",
        "\xa0__Host-refresh_token",
        "\x85__Host-refresh_token",
    ],
)
async def test_cookies_of_other_names_are_no_refresh_tokens(
    client: httpx2.AsyncClient, person: Person, name: str
) -> None:
    token, _ = await browser_login(client, person)
    answer = await client.post("/refresh", headers={b"Cookie": f"{name}={token}".encode("latin-1")})
    problem_of(answer, 401, "refresh_token_missing")


async def test_cookies_of_other_names_do_not_count_as_a_second_one(
    client: httpx2.AsyncClient, person: Person
) -> None:
    token, _ = await browser_login(client, person)
    crowd = f"refresh_token={token};{COOKIE}={token};__host-refresh_token=x; {COOKIE}; =y"
    assert (await client.post("/refresh", headers={"Cookie": crowd})).status_code == 200


async def test_a_token_of_the_cookie_is_refused_in_a_body_and_its_session_unharmed(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token, _ = await browser_login(client, person)
    before = await sessions_of(sql, person)
    problem_of(await refresh(client, token), 401, "refresh_token_invalid")
    assert await sessions_of(sql, person) == before
    assert (await browser_refresh(client, token)).status_code == 200


async def test_a_token_of_the_body_is_refused_in_a_cookie_and_its_session_unharmed(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token = (await login(client, person)).json()["refresh_token"]
    before = await sessions_of(sql, person)
    problem_of(await browser_refresh(client, token), 401, "refresh_token_invalid")
    assert await sessions_of(sql, person) == before
    assert (await refresh(client, token)).status_code == 200


@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_an_access_token_is_refused_as_a_refresh_token_and_its_session_unharmed(
    client: httpx2.AsyncClient, person: Person, sql: Sql, kind: str
) -> None:
    access_token = (await login(client, person, kind=kind)).json()["access_token"]
    before = await sessions_of(sql, person)
    problem_of(await by_way_of(client, kind, access_token), 401, "refresh_token_invalid")
    assert await sessions_of(sql, person) == before


@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_a_token_superseded_within_the_grace_is_refused_the_wrong_way_and_its_session_unharmed(
    client: httpx2.AsyncClient, person: Person, sql: Sql, kind: str
) -> None:
    token, current = await rotated(client, person, kind)
    before = await sessions_of(sql, person)
    problem_of(await by_way_of(client, OTHER[kind], token), 401, "refresh_token_invalid")
    assert await sessions_of(sql, person) == before
    assert (await by_way_of(client, kind, current)).status_code == 200


@pytest.mark.requirement("R11")
@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_a_token_superseded_before_the_grace_is_reuse_whichever_way_it_comes(
    client: httpx2.AsyncClient, person: Person, sql: Sql, kind: str
) -> None:
    token, current = await rotated(client, person, kind)
    await sql.execute(
        "UPDATE sessions SET superseded_at = ARRAY[superseded_at[1] - interval '61 s'] WHERE account_id = $1",
        person.id,
    )
    answer = await by_way_of(client, OTHER[kind], token)
    problem_of(answer, 401, "refresh_token_reused")
    # The cookie is of no more use, if it came in one.
    assert [cookie.value for cookie in cookies_of(answer)] == [""] * (OTHER[kind] == "browser")
    problem_of(await by_way_of(client, kind, current), 401, "session_revoked")


OTHER = {"browser": "native", "native": "browser"}


async def rotated(client: httpx2.AsyncClient, person: Person, kind: str) -> tuple[str, str]:
    """The first refresh token of a session, and its successor."""
    opened = await login(client, person, kind=kind)
    first = carried(opened, kind)
    return first, carried(await by_way_of(client, kind, first), kind)


async def by_way_of(client: httpx2.AsyncClient, kind: str, token: str) -> httpx2.Response:
    return await (browser_refresh if kind == "browser" else refresh)(client, token)


def carried(answer: httpx2.Response, kind: str) -> str:
    return cookie_of(answer) if kind == "browser" else str(answer.json()["refresh_token"])
