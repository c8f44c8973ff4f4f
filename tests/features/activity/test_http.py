"""``GET /me/activity`` from outside."""

from pathlib import Path
from typing import Any

import httpx2

from tests.support.database import Sql
from tests.support.people import (
    PASSWORD,
    Person,
    bearing,
    login,
    marker,
    new_person,
    problem_of,
    refresh,
)
from tests.support.servers import Service
from tests.support.waiting import client_of

FIELDS = {"id", "at", "kind", "actor", "reason", "address", "session_id", "current"}


async def signed_in(client: httpx2.AsyncClient, person: Person) -> str:
    answer = await login(client, person)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


async def activity(
    client: httpx2.AsyncClient, access_token: str, before: str | None = None
) -> httpx2.Response:
    params = {} if before is None else {"before": before}
    return await client.get("/me/activity", params=params, headers=bearing(access_token))


async def page(client: httpx2.AsyncClient, access_token: str, before: str | None = None) -> dict[str, Any]:
    answer = await activity(client, access_token, before)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"events", "next"}
    assert all(event.keys() == FIELDS for event in body["events"])
    return body


async def test_an_owner_sees_what_happened_to_the_account(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    opened = (await login(client, person)).json()
    assert (await login(client, person, password="wrong")).status_code == 401
    assert (await refresh(client, opened["refresh_token"])).status_code == 200
    await sql.execute(
        "UPDATE sessions SET superseded_at = ARRAY[now() - interval '1 hour'] WHERE account_id = $1",
        person.id,
    )
    problem_of(await refresh(client, opened["refresh_token"]), 401, "refresh_token_reused")
    token = await signed_in(client, person)
    change = {"current_password": PASSWORD, "new_password": "another battery horse staple"}
    changed = await client.post("/password", json=change, headers=bearing(token))
    assert changed.status_code == 200, changed.text
    body = await page(client, changed.json()["access_token"])
    assert [(event["kind"], event["actor"], event["reason"]) for event in body["events"]] == [
        ("login.succeeded", "owner", None),
        ("password.changed", "owner", None),
        ("login.succeeded", "owner", None),
        ("session.reuse_detected", "visitor", None),
        ("login.failed", "visitor", "wrong_password"),
        ("login.succeeded", "owner", None),
    ]
    assert body["next"] is None
    times = [event["at"] for event in body["events"]]
    assert times == sorted(times, reverse=True)
    assert {event["address"] for event in body["events"]} == {"127.0.0.1"}


async def test_the_events_of_the_session_that_asks_are_marked(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    await signed_in(client, person)
    token = await signed_in(client, person)
    new, old = (await page(client, token))["events"]
    assert (new["current"], old["current"]) == (True, False)
    ids = await sql.fetch("SELECT id FROM sessions WHERE account_id = $1 ORDER BY created_at", person.id)
    assert [old["session_id"], new["session_id"]] == [str(row["id"]) for row in ids]


async def test_another_account_s_events_are_never_shown(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    other = await new_person(sql)
    secret = marker()
    await sql.execute(
        "INSERT INTO events (kind, account_id, address, session_id) SELECT 'login.failed', id, $2, $3::uuid "
        "FROM unnest($1::uuid[]) AS id",
        *([other.id, None], secret, other.id),
    )
    token, theirs = await signed_in(client, person), await signed_in(client, other)
    body = await page(client, token)
    assert [event["kind"] for event in body["events"]] == ["login.succeeded"]
    assert secret not in str(body)
    for event in (await page(client, theirs))["events"]:
        problem_of(await activity(client, token, event["id"]), 422, "invalid_request")


async def test_an_answer_holds_nothing_that_is_written_for_operators(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    secret = marker()
    number = await sql.fetchval(
        "INSERT INTO events (kind, account_id, request_id, details) "
        "VALUES ('login.failed', $1, $2, jsonb_build_object('by', $2::text)) RETURNING id",
        *(person.id, secret),
    )
    token = await signed_in(client, person)
    body = await page(client, token)
    assert len(body["events"]) == 2
    assert secret not in str(body)
    assert number not in {value for event in body["events"] for value in event.values()}


async def test_paging_neither_skips_nor_repeats_while_events_go_on(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    """Several events have the same time, on both sides of a page's end."""
    token = await signed_in(client, person)
    await sql.execute(
        "INSERT INTO events (at, kind, account_id, address) "
        "SELECT now() + number / 7 * interval '1 second', 'login.failed', $1, number "
        "FROM generate_series(1, 120) AS number",
        person.id,
    )
    seen, before, sizes = list[str | None](), None, list[int]()
    while True:
        body = await page(client, token, before)
        sizes.append(len(body["events"]))
        seen += [event["address"] for event in body["events"]]
        before = body["next"]
        if before is None:
            break
        await sql.execute(
            "INSERT INTO events (at, kind, account_id) "
            "VALUES (now() + interval '1 hour', 'login.failed', $1)",
            person.id,
        )
    assert sizes == [50, 50, 21]
    assert seen == [*(str(number) for number in range(120, 0, -1)), "127.0.0.1"]


async def test_it_is_refused_as_the_account_itself_is(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token = await signed_in(client, person)
    problem_of(await client.get("/me/activity"), 401, "invalid_token")
    problem_of(await activity(client, "garbage"), 401, "invalid_token")
    problem_of(await activity(client, "garbage", "garbage"), 401, "invalid_token")
    assert (await client.post("/logout", headers=bearing(token))).status_code == 204
    problem_of(await activity(client, token), 401, "invalid_token")
    token = await signed_in(client, person)
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", person.id)
    problem_of(await activity(client, token), 401, "invalid_token")


async def test_a_position_that_is_no_event_s_is_an_invalid_request(
    client: httpx2.AsyncClient, person: Person
) -> None:
    token = await signed_in(client, person)
    (event,) = (await page(client, token))["events"]
    garbage = (
        "",
        "0",
        "1",
        "A" * 48,
        "A" * 5000,
        "ä",
        "%00",
        event["id"][:-1],
        f"{event['id']}A",
        "' OR 1=1 --",
    )
    for before in garbage:
        problem_of(await activity(client, token, before), 422, "invalid_request")
    assert (await page(client, token, event["id"]))["events"] == []


async def test_it_is_documented_and_goes_when_it_is_switched_off(
    service: Service, person: Person, environment: dict[str, str], tmp_path: Path
) -> None:
    async with client_of(service) as client:
        assert "/me/activity" in (await client.get("/openapi.json")).json()["paths"]
    with Service(environment | {"AUTH_ACTIVITY": "off"}, tmp_path) as without:
        async with client_of(without) as client:
            token = await signed_in(client, person)
            problem_of(await activity(client, token), 404, "not_found")
            paths = (await client.get("/openapi.json")).json()["paths"]
            assert "/me" in paths
            assert "/me/activity" not in paths
