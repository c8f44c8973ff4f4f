"""Logout ends the session of every token presented. A token without one is no error: each answer is 204."""

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import (
    COOKIE,
    Person,
    bearing,
    browser_login,
    browser_refresh,
    cookie_of,
    login,
    me,
    new_person,
    problem_of,
    refresh,
    sessions_of,
    with_cookie,
)


async def test_a_cookie_ends_its_session_and_that_sessions_access_tokens(
    client: httpx2.AsyncClient, person: Person
) -> None:
    refresh_token, access_token = await browser_login(client, person)
    assert (await client.post("/logout", headers=with_cookie(refresh_token))).status_code == 204
    problem_of(await browser_refresh(client, refresh_token), 401, "session_revoked")
    problem_of(await me(client, access_token), 401, "invalid_token")


async def test_a_token_in_the_body_ends_its_session_and_that_sessions_access_tokens(
    client: httpx2.AsyncClient, person: Person
) -> None:
    tokens = (await login(client, person)).json()
    answer = await client.post("/logout", json={"refresh_token": tokens["refresh_token"]})
    assert (answer.status_code, answer.content) == (204, b"")
    problem_of(await refresh(client, tokens["refresh_token"]), 401, "session_revoked")
    problem_of(await me(client, tokens["access_token"]), 401, "invalid_token")


async def test_a_bearer_alone_ends_the_whole_session(client: httpx2.AsyncClient, person: Person) -> None:
    opened = (await login(client, person)).json()
    renewed = (await refresh(client, opened["refresh_token"])).json()
    answer = await client.post("/logout", headers=bearing(opened["access_token"]))
    assert answer.status_code == 204
    for tokens in (opened, renewed):
        problem_of(await me(client, tokens["access_token"]), 401, "invalid_token")
        problem_of(await refresh(client, tokens["refresh_token"]), 401, "session_revoked")


async def test_a_cookie_and_a_bearer_of_different_sessions_end_both_and_no_third_one(
    client: httpx2.AsyncClient, person: Person
) -> None:
    by_cookie, by_bearer, bystander = [await browser_login(client, person) for _ in range(3)]
    answer = await client.post("/logout", headers=with_cookie(by_cookie[0]) | bearing(by_bearer[1]))
    assert answer.status_code == 204
    for refresh_token, access_token in (by_cookie, by_bearer):
        problem_of(await browser_refresh(client, refresh_token), 401, "session_revoked")
        problem_of(await me(client, access_token), 401, "invalid_token")
    assert (await me(client, bystander[1])).status_code == 200
    assert (await browser_refresh(client, bystander[0])).status_code == 200


async def test_a_good_token_beside_a_bad_one_still_ends_its_session(
    client: httpx2.AsyncClient, person: Person
) -> None:
    refresh_token, _ = await browser_login(client, person)
    answer = await client.post("/logout", headers=with_cookie(refresh_token) | bearing("not.a.token"))
    assert answer.status_code == 204
    problem_of(await browser_refresh(client, refresh_token), 401, "session_revoked")
    _, access_token = await browser_login(client, person)
    answer = await client.post("/logout", headers=with_cookie("garbage") | bearing(access_token))
    assert answer.status_code == 204
    problem_of(await me(client, access_token), 401, "invalid_token")


async def test_an_ancestor_of_the_current_token_ends_the_session(
    client: httpx2.AsyncClient, person: Person
) -> None:
    first, _ = await browser_login(client, person)
    second = cookie_of(await browser_refresh(client, first))
    assert (await client.post("/logout", headers=with_cookie(first))).status_code == 204
    problem_of(await browser_refresh(client, second), 401, "session_revoked")


@pytest.mark.parametrize("kind", ["browser", "native"])
async def test_a_token_that_comes_the_other_way_ends_its_session_too(
    client: httpx2.AsyncClient, person: Person, kind: str
) -> None:
    opened = await login(client, person, kind=kind)
    access_token = opened.json()["access_token"]
    if kind == "browser":
        answer = await client.post("/logout", json={"refresh_token": cookie_of(opened)})
    else:
        answer = await client.post("/logout", headers=with_cookie(opened.json()["refresh_token"]))
    assert answer.status_code == 204
    problem_of(await me(client, access_token), 401, "invalid_token")


async def test_tokens_of_an_ended_session_are_no_error(client: httpx2.AsyncClient, person: Person) -> None:
    refresh_token, access_token = await browser_login(client, person)
    for _ in range(2):
        headers = with_cookie(refresh_token) | bearing(access_token)
        assert (await client.post("/logout", headers=headers)).status_code == 204


async def test_an_expired_token_is_no_error(client: httpx2.AsyncClient, person: Person, sql: Sql) -> None:
    refresh_token, _ = await browser_login(client, person)
    await sql.execute(
        "UPDATE sessions SET expires_at = clock_timestamp() - interval '1 day' WHERE account_id = $1",
        person.id,
    )
    assert (await client.post("/logout", headers=with_cookie(refresh_token))).status_code == 204


async def test_tokens_of_a_deleted_account_are_no_error(client: httpx2.AsyncClient, sql: Sql) -> None:
    gone = await new_person(sql)
    refresh_token, access_token = await browser_login(client, gone)
    await sql.execute("DELETE FROM accounts WHERE id = $1", gone.id)
    headers = with_cookie(refresh_token) | bearing(access_token)
    assert (await client.post("/logout", headers=headers)).status_code == 204


@pytest.mark.parametrize("garbage", ["", "x", "wwr_" + "A" * 76, "wwr_" + "A" * 8000, "%00", "é"])
async def test_garbage_ends_nothing_and_is_no_error(
    client: httpx2.AsyncClient, person: Person, sql: Sql, garbage: str
) -> None:
    refresh_token, _ = await browser_login(client, person)
    before = await sessions_of(sql, person)
    raw = garbage.encode()
    by_cookie = await client.post("/logout", headers={b"Cookie": COOKIE.encode() + b"=" + raw})
    by_body = await client.post("/logout", json={"refresh_token": garbage})
    by_bearer = await client.post("/logout", headers={b"Authorization": (b"Bearer " + raw).strip()})
    by_scheme = await client.post("/logout", headers={b"Authorization": (b"Basic " + raw).strip()})
    assert {answer.status_code for answer in (by_cookie, by_body, by_bearer, by_scheme)} == {204}
    assert await sessions_of(sql, person) == before
    assert (await browser_refresh(client, refresh_token)).status_code == 200


async def test_a_token_that_differs_in_one_letter_ends_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    refresh_token, _ = await browser_login(client, person)
    before = await sessions_of(sql, person)
    for place in (6, 30, 50, 79):
        letter = "A" if refresh_token[place] != "A" else "B"
        forged = refresh_token[:place] + letter + refresh_token[place + 1 :]
        assert (await client.post("/logout", headers=with_cookie(forged))).status_code == 204
    assert await sessions_of(sql, person) == before


async def test_nothing_at_all_is_no_error_and_still_clears_the_cookie(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/logout")
    assert answer.status_code == 204
    assert cookie_of(answer) == ""
