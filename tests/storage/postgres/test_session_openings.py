"""A sign-in to an account with few sessions is one statement; with many, a transaction sees each of them."""

from typing import Any

import pytest

from app.domain.sessions import MOST_SESSIONS
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import Person, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in
from tests.support.round_trips import sent

UNENDED = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
EVENTS = "SELECT kind, actor, actor_id, session_id, details FROM events WHERE account_id = $1 ORDER BY id"


@pytest.fixture
async def someone(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def transactions(service: Service, person: Person) -> int:
    """How many transactions a sign-in takes."""
    with sent() as found:
        await sign_in(service, person)
    return found.transactions


async def events(sql: Sql, person: Person) -> list[tuple[Any, ...]]:
    rows = await sql.fetch(EVENTS, person.id)
    sessions = {
        row["id"] for row in await sql.fetch("SELECT id FROM sessions WHERE account_id = $1", person.id)
    }
    assert {row["session_id"] for row in rows} == sessions
    return [(row["kind"], row["actor"], row["actor_id"], row["details"]) for row in rows]


async def test_only_an_account_with_much_room_is_signed_in_without_a_transaction(
    migrated: object,
    environment: dict[str, str],
    sql: Sql,
    someone: Person,
) -> None:
    async with inside(environment | {"AUTH_SESSIONS_PER_ACCOUNT": "35"}) as service:
        counts = [await transactions(service, someone) for _ in range(5)]
        assert counts == [0, 0, 0, 1, 1]
        assert await sql.fetchval(UNENDED, someone.id) == 5
        # Both ways write the same event.
        assert len(set(await events(sql, someone))) == 1
        await service.operator_sessions.end_of(someone.email)
        assert await transactions(service, someone) == 0
    async with inside(environment | {"AUTH_SESSIONS_PER_ACCOUNT": str(MOST_SESSIONS)}) as service:
        assert await transactions(service, someone) == 0
    async with inside(environment | {"AUTH_SESSIONS_PER_ACCOUNT": "32"}) as service:
        assert await transactions(service, someone) == 1
