"""`POST /logout/all`: any token of a living session ends every session of its account, and no other."""

from typing import Any, NamedTuple

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql
from tests.support.people import (
    COOKIE,
    Person,
    bearing,
    browser_login,
    cookie_of,
    cookies_of,
    login,
    me,
    new_person,
    problem_of,
    sessions_of,
    with_cookie,
)
from tests.support.servers import ISSUER, Service
from tests.support.tokens import Mint, mint_for_somebody

JUNK = ["", "x", "not.a.token", "wwr_" + "A" * 76, "wwr_" + "A" * 7000, "%00", "\u00e9"]


class Signed(NamedTuple):
    """A session as its client knows it; ``tokens`` are all its access tokens."""

    kind: str
    refresh_token: str
    tokens: tuple[str, ...]

    def by_refresh_token(self, *, way: str = "") -> dict[str, Any]:
        """A request with the refresh token, the way its kind of client sends it, or another way."""
        by_body = (way or self.kind) == "native"
        if by_body:
            return {"json": {"refresh_token": self.refresh_token}}
        return {"headers": with_cookie(self.refresh_token)}


async def renewed(client: httpx2.AsyncClient, session: Signed) -> Signed:
    answer = await client.post("/refresh", **session.by_refresh_token())
    tokens = (*session.tokens, answer.json()["access_token"])
    token = cookie_of(answer) if session.kind == "browser" else answer.json()["refresh_token"]
    return Signed(session.kind, token, tokens)


async def signed_in(client: httpx2.AsyncClient, person: Person, kind: str) -> Signed:
    if kind == "browser":
        token, access_token = await browser_login(client, person)
        return Signed(kind, token, (access_token,))
    body = (await login(client, person)).json()
    return Signed(kind, body["refresh_token"], (body["access_token"],))


async def several(client: httpx2.AsyncClient, person: Person) -> list[Signed]:
    """Sessions of both kinds, some of them refreshed."""
    opened = [await signed_in(client, person, kind) for kind in ("browser", "native") * 2]
    return opened[:2] + [await renewed(client, session) for session in opened[2:]]


async def assert_over(client: httpx2.AsyncClient, session: Signed) -> None:
    refused = await client.post("/refresh", **session.by_refresh_token())
    problem_of(refused, 401, "session_revoked")
    for access_token in session.tokens:
        problem_of(await me(client, access_token), 401, "invalid_token")


async def assert_alive(client: httpx2.AsyncClient, session: Signed) -> None:
    for access_token in session.tokens:
        assert (await me(client, access_token)).status_code == 200
    assert (await client.post("/refresh", **session.by_refresh_token())).status_code == 200


@pytest.fixture
async def mint(service: Service, migrated: Servers) -> Mint:
    return await mint_for_somebody(service, migrated.database_url)


@pytest.mark.parametrize("means", ["bearer", "refresh token", "ancestor", "the other way"])
@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_any_token_of_a_living_session_ends_all_of_its_account_and_no_others(
    client: httpx2.AsyncClient, person: Person, sql: Sql, kind: str, means: str
) -> None:
    sessions = await several(client, person)
    stranger = await signed_in(client, await new_person(sql), kind)
    first = await signed_in(client, person, kind)
    mine = await renewed(client, first)
    request: dict[str, Any] = {
        "bearer": {"headers": bearing(mine.tokens[0])},
        "refresh token": mine.by_refresh_token(),
        "ancestor": first.by_refresh_token(),
        "the other way": mine.by_refresh_token(way="native" if kind == "browser" else "browser"),
    }[means]
    answer = await client.post("/logout/all", **request)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    (cleared,) = cookies_of(answer)
    assert (cleared.name, cleared.value, cleared.attributes["max-age"]) == (COOKIE, "", "0")
    assert cleared.attributes.keys() == {"max-age", "path", "httponly", "samesite"}
    for session in [*sessions, mine]:
        await assert_over(client, session)
    assert all(row["revoked_at"] for row in await sessions_of(sql, person))
    await assert_alive(client, stranger)
    assert (await login(client, person)).status_code == 200


@pytest.mark.parametrize("junk", JUNK)
async def test_nothing_and_junk_are_refused_and_end_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, junk: str
) -> None:
    session = await signed_in(client, person, "browser")
    before = await sessions_of(sql, person)
    raw = junk.encode()
    cookie = {b"Cookie": COOKIE.encode() + b"=" + raw}
    authorization, basic = [{b"Authorization": (scheme + raw).strip()} for scheme in (b"Bearer ", b"Basic ")]
    attempts: list[dict[str, Any]] = [
        {"headers": headers} for headers in ({}, cookie, authorization, basic, cookie | authorization)
    ]
    attempts.append({"json": {"refresh_token": junk}})
    for attempt in attempts:
        answer = await client.post("/logout/all", **attempt)
        problem_of(answer, 401, "invalid_token")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert cookies_of(answer) == []
    assert await sessions_of(sql, person) == before
    await assert_alive(client, session)


@pytest.mark.parametrize(
    "end",
    [
        "revoked_at = now()",
        "expires_at = now() - interval '1 hour'",
        "refreshed_at = now() - interval '8 days'",
    ],
    ids=["by a logout", "absolutely", "idly"],
)
@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_tokens_of_a_session_that_has_ended_end_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, kind: str, end: str
) -> None:
    ended = await signed_in(client, person, kind)
    await sql.execute(f"UPDATE sessions SET {end} WHERE account_id = $1", person.id)
    left = await signed_in(client, person, kind)
    before = await sessions_of(sql, person)
    problem_of(await client.post("/logout/all", **ended.by_refresh_token()), 401, "invalid_token")
    if end == "revoked_at = now()":
        problem_of(await client.post("/logout/all", headers=bearing(ended.tokens[0])), 401, "invalid_token")
    assert await sessions_of(sql, person) == before
    await assert_alive(client, left)


@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_an_expired_bearer_beside_a_good_refresh_token_does_no_harm(
    client: httpx2.AsyncClient, person: Person, mint: Mint, kind: str
) -> None:
    sessions, mine = await several(client, person), await signed_in(client, person, kind)
    over = mint.claiming(exp="1000000000", iat="999999100", nbf="999999100")
    request = mine.by_refresh_token()
    headers = request.pop("headers", {}) | bearing(over)
    assert (await me(client, mint.token())).status_code == 200
    answer = await client.post("/logout/all", headers=headers, **request)
    assert answer.status_code == 204
    for session in [*sessions, mine]:
        await assert_over(client, session)
    problem_of(await client.post("/logout/all", headers=bearing(over)), 401, "invalid_token")


async def test_a_good_bearer_beside_a_bad_cookie_ends_them_all(
    client: httpx2.AsyncClient, person: Person
) -> None:
    sessions = await several(client, person)
    headers = with_cookie("x") | bearing(sessions[0].tokens[0])
    assert (await client.post("/logout/all", headers=headers)).status_code == 204
    for session in sessions:
        await assert_over(client, session)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.net"},
        {"Origin": "https://evil.example.net"},
        {"Origin": "null"},
    ],
    ids=str,
)
async def test_another_sites_page_cannot_log_anybody_out(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str]
) -> None:
    session = await signed_in(client, person, "browser")
    before = await sessions_of(sql, person)
    # Before any work: neither a good bearer nor a body that is no JSON makes a difference.
    for beside, content in ((bearing(session.tokens[0]), b""), ({"Content-Type": "application/json"}, b"{")):
        sent = with_cookie(session.refresh_token) | headers | beside
        answer = await client.post("/logout/all", headers=sent, content=content)
        problem_of(answer, 403, "cross_site_request")
        assert cookies_of(answer) == []
    assert await sessions_of(sql, person) == before
    await assert_alive(client, session)


async def test_the_services_own_page_may_log_its_user_out(client: httpx2.AsyncClient, person: Person) -> None:
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": ISSUER}):
        session = await signed_in(client, person, "browser")
        sent = with_cookie(session.refresh_token) | headers
        assert (await client.post("/logout/all", headers=sent)).status_code == 204
        await assert_over(client, session)


async def test_a_cookie_and_a_body_together_are_refused_and_end_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    browser, native = [await signed_in(client, person, kind) for kind in ("browser", "native")]
    before = await sessions_of(sql, person)
    headers = with_cookie(browser.refresh_token)
    twice = with_cookie(browser.refresh_token, browser.refresh_token)
    answers = [
        await client.post("/logout/all", headers=headers, **native.by_refresh_token()),
        await client.post(
            "/logout/all", headers=headers | bearing(native.tokens[0]), json={"refresh_token": "x"}
        ),
        await client.post("/logout/all", headers=twice | bearing(native.tokens[0])),
        await client.post("/logout/all", headers=bearing(native.tokens[0]), json={"token": "x"}),
    ]
    for answer in answers:
        problem_of(answer, 422, "invalid_request")
        assert cookies_of(answer) == []
    assert await sessions_of(sql, person) == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_not_for_this_path(
    client: httpx2.AsyncClient, person: Person, sql: Sql, method: str
) -> None:
    session = await signed_in(client, person, "native")
    before = await sessions_of(sql, person)
    answer = await client.request(method, "/logout/all", headers=bearing(session.tokens[0]))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert await sessions_of(sql, person) == before
