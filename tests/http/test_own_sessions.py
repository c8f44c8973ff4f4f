"""`GET /sessions` and `DELETE /sessions/{id}`: owners see and end the sessions of their account only."""

import re
from base64 import b64encode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import (
    Person,
    bearing,
    browser_login,
    browser_refresh,
    everything,
    login,
    me,
    new_person,
    problem_of,
    refresh,
    sessions_of,
)

FIELDS = {"id", "client", "created_at", "last_used_at", "address", "user_agent", "current"}
MOST = 1000
MANY = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'browser', '', now() - number * interval '1 minute',
    now() - number * interval '1 minute', now() + interval '1 day' FROM generate_series(1, 1030) AS number
"""
ENDS = {
    "revoked": "revoked_at = now()",
    "expired": "expires_at = now() - interval '1 minute'",
    "idle": "refreshed_at = now() - interval '8 days'",
}


class Session(NamedTuple):
    """A native client's session."""

    id: str
    access_token: str
    refresh_token: str


async def listed(client: httpx2.AsyncClient, access_token: str) -> list[dict[str, Any]]:
    answer = await client.get("/sessions", headers=bearing(access_token))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, list[dict[str, Any]]] = answer.json()
    assert body.keys() == {"sessions"}
    assert all(session.keys() == FIELDS for session in body["sessions"])
    return body["sessions"]


async def signed_in(client: httpx2.AsyncClient, person: Person) -> Session:
    body = (await login(client, person)).json()
    (current,) = [each["id"] for each in await listed(client, body["access_token"]) if each["current"]]
    return Session(current, body["access_token"], body["refresh_token"])


async def end(client: httpx2.AsyncClient, session: Session, session_id: str) -> httpx2.Response:
    return await client.delete(f"/sessions/{session_id}", headers=bearing(session.access_token))


async def assert_over(client: httpx2.AsyncClient, session: Session) -> None:
    problem_of(await refresh(client, session.refresh_token), 401, "session_revoked")
    problem_of(await me(client, session.access_token), 401, "invalid_token")


async def test_a_person_sees_the_own_sessions_as_they_are_and_which_one_is_asking(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    await login(client, await new_person(sql))
    _, browsers = await browser_login(client, person)
    native = (await login(client, person)).json()["access_token"]
    rows = {str(row["id"]): row for row in await sessions_of(sql, person)}
    for asking, kind in ((browsers, "browser"), (native, "native")):
        sessions = await listed(client, asking)
        assert [session["client"] for session in sessions] == ["native", "browser"]
        assert [session["client"] for session in sessions if session["current"] is True] == [kind]
        for session in sessions:
            row = rows[session["id"]]
            assert datetime.fromisoformat(session["created_at"]) == row["created_at"]
            assert datetime.fromisoformat(session["last_used_at"]) == row["refreshed_at"]
            assert (session["client"], session["address"]) == (row["client"], "127.0.0.1")
            assert session["user_agent"] is None
    assert len(rows) == 2


async def test_times_have_one_form_also_on_a_whole_second(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token = (await signed_in(client, person)).access_token
    await sql.execute("UPDATE accounts SET created_at = '2026-01-31T12:00:00Z' WHERE id = $1", person.id)
    await sql.execute(
        "UPDATE sessions SET created_at = date_trunc('second', now()) WHERE account_id = $1", person.id
    )
    account = (await me(client, token)).json()
    assert account["created_at"] == "2026-01-31T12:00:00.000000Z"
    (session,) = await listed(client, token)
    for name in ("created_at", "last_used_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", session[name])


async def test_the_one_used_last_comes_first(client: httpx2.AsyncClient, person: Person, sql: Sql) -> None:
    first, second, third = [await signed_in(client, person) for _ in range(3)]
    back = "created_at = created_at - interval '1 hour', refreshed_at = refreshed_at - interval '1 hour'"
    await sql.execute(f"UPDATE sessions SET {back} WHERE account_id = $1", person.id)
    assert [each["id"] for each in await listed(client, first.access_token)] == [
        third.id,
        second.id,
        first.id,
    ]
    await refresh(client, first.refresh_token)
    sessions = await listed(client, second.access_token)
    assert [each["id"] for each in sessions] == [first.id, third.id, second.id]
    idle = [
        datetime.fromisoformat(each["last_used_at"]) - datetime.fromisoformat(each["created_at"])
        for each in sessions
    ]
    assert idle[0] >= timedelta(hours=1)
    assert idle[1:] == [timedelta(0)] * 2


@pytest.mark.parametrize("end", ENDS)
async def test_a_session_that_has_ended_is_not_listed(
    client: httpx2.AsyncClient, person: Person, sql: Sql, end: str
) -> None:
    ended, alive = [await signed_in(client, person) for _ in range(2)]
    await sql.execute(f"UPDATE sessions SET {ENDS[end]} WHERE id = $1", UUID(ended.id))
    assert [each["id"] for each in await listed(client, alive.access_token)] == [alive.id]


async def test_as_many_are_listed_as_an_account_may_have_those_used_last(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    session = await signed_in(client, person)
    await sql.execute(MANY, person.id)
    newest = "SELECT id FROM sessions WHERE account_id = $1 ORDER BY refreshed_at DESC LIMIT $2"
    expected = [str(row["id"]) for row in await sql.fetch(newest, person.id, MOST)]
    assert [each["id"] for each in await listed(client, session.access_token)] == expected


async def test_no_secret_is_listed(client: httpx2.AsyncClient, person: Person, sql: Sql) -> None:
    session = await signed_in(client, person)
    token, _ = await browser_login(client, person)
    answer = everything(await client.get("/sessions", headers=bearing(session.access_token)))
    secrets = [token, session.refresh_token, session.access_token]
    for row in await sessions_of(sql, person):
        kept = row["refresh_token_hash"]
        secrets += [kept.hex(), b64encode(kept).decode(), urlsafe_b64encode(kept).decode()[:20]]
    for secret in secrets:
        # Nor half of one: a refresh token holds a seed.
        for part in (secret[: len(secret) // 2], secret[len(secret) // 2 :]):
            assert part.lower() not in answer


@pytest.mark.requirement("P6")
async def test_an_address_that_no_trusted_proxy_forwarded_is_ignored(
    client: httpx2.AsyncClient, person: Person
) -> None:
    client.headers["X-Forwarded-For"] = "203.0.113.7"
    session = await signed_in(client, person)
    assert [each["address"] for each in await listed(client, session.access_token)] == ["127.0.0.1"]


async def test_a_session_is_ended_at_once_and_no_other_one(
    client: httpx2.AsyncClient, person: Person
) -> None:
    lost, mine, third = [await signed_in(client, person) for _ in range(3)]
    renewed = (await refresh(client, lost.refresh_token)).json()
    answer = await end(client, mine, lost.id)
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (204, b"", "no-store")
    await assert_over(client, lost)
    await assert_over(client, Session(lost.id, renewed["access_token"], renewed["refresh_token"]))
    assert [each["id"] for each in await listed(client, mine.access_token)] == [third.id, mine.id]
    assert (await refresh(client, third.refresh_token)).status_code == 200


async def test_a_browsers_session_is_ended_from_another_client(
    client: httpx2.AsyncClient, person: Person
) -> None:
    token, access_token = await browser_login(client, person)
    (session,) = await listed(client, access_token)
    mine = await signed_in(client, person)
    assert (await end(client, mine, session["id"])).status_code == 204
    problem_of(await browser_refresh(client, token), 401, "session_revoked")
    problem_of(await me(client, access_token), 401, "invalid_token")


async def test_ending_the_current_session_signs_out(client: httpx2.AsyncClient, person: Person) -> None:
    mine, other = [await signed_in(client, person) for _ in range(2)]
    assert (await end(client, mine, mine.id)).status_code == 204
    await assert_over(client, mine)
    for session_id in (mine.id, other.id, str(uuid4())):
        problem_of(await end(client, mine, session_id), 401, "invalid_token")
    assert (await refresh(client, other.refresh_token)).status_code == 200


@pytest.mark.parametrize("end_of", ["revoked"])
async def test_a_session_that_has_ended_is_not_found_any_more(
    client: httpx2.AsyncClient, person: Person, sql: Sql, end_of: str
) -> None:
    ended, mine = [await signed_in(client, person) for _ in range(2)]
    await sql.execute(f"UPDATE sessions SET {ENDS[end_of]} WHERE id = $1", UUID(ended.id))
    before = await sessions_of(sql, person)
    problem_of(await end(client, mine, ended.id), 404, "not_found")
    assert await sessions_of(sql, person) == before


async def test_a_session_of_another_account_is_not_found_and_lives_on(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    stranger = await new_person(sql)
    mine, theirs = await signed_in(client, person), await signed_in(client, stranger)
    before = await sessions_of(sql, person), await sessions_of(sql, stranger)
    spellings = [theirs.id, theirs.id.upper(), f"%7B{theirs.id}%7D", f"urn:uuid:{theirs.id}", "0" * 32]
    nothings = [
        str(uuid4()),
        "x",
        "..%2f",
        "%2e%2e%2fsessions",
        "%00",
        "%C3%A9",
        "%ED%A0%80",
        "-",
        "A" * 10_000,
    ]
    for session_id in (*spellings, *nothings, f"{mine.id}x", f"{mine.id}%20", f"{mine.id}/", "%25", "all"):
        answer = await end(client, mine, session_id)
        problem_of(answer, 404, "not_found")
    assert (await sessions_of(sql, person), await sessions_of(sql, stranger)) == before
    assert (await refresh(client, theirs.refresh_token)).status_code == 200


@pytest.mark.parametrize("spelling", ["{0:X}", "%7B{1}%7D", "urn:uuid:{1}", "{0:x}"])
async def test_another_spelling_of_an_id_ends_that_session_or_none(
    client: httpx2.AsyncClient, person: Person, spelling: str
) -> None:
    lost, mine = [await signed_in(client, person) for _ in range(2)]
    answer = await end(client, mine, spelling.format(UUID(lost.id).int, lost.id))
    assert answer.status_code in (204, 404)
    expected = [mine.id] if answer.status_code == 204 else [mine.id, lost.id]
    assert [each["id"] for each in await listed(client, mine.access_token)] == expected


@pytest.mark.parametrize("headers", [{}, bearing("x"), bearing(""), {"Authorization": "Basic eDp4"}], ids=str)
async def test_without_an_access_token_there_is_nothing_to_see_or_to_end(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str]
) -> None:
    session = await signed_in(client, person)
    before = await sessions_of(sql, person)
    headers = {name: value.strip() for name, value in headers.items()}
    problem_of(await client.get("/sessions", headers=headers), 401, "invalid_token")
    for session_id in (session.id, "x"):
        answer = await client.delete(f"/sessions/{session_id}", headers=headers)
        problem_of(answer, 401, "invalid_token")
    assert await sessions_of(sql, person) == before


async def test_other_methods_are_not_for_these_paths(client: httpx2.AsyncClient, person: Person) -> None:
    session = await signed_in(client, person)
    for path, methods, allowed in (
        ("/sessions", ("POST", "PUT", "DELETE", "PATCH"), "GET, HEAD"),
        (f"/sessions/{session.id}", ("GET", "POST", "PUT", "PATCH"), "DELETE"),
    ):
        for method in methods:
            answer = await client.request(method, path, headers=bearing(session.access_token))
            problem_of(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == allowed
    assert (await me(client, session.access_token)).status_code == 200
