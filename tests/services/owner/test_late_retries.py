"""A lost answer costs no session: a refresh repeated with its key is a retry, however late it comes."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest
import structlog

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind, RefreshToken
from app.domain.visitors import Visitor
from app.wiring import Service
from tests.support.database import Sql
from tests.support.families import TOKENS, rotate_as_before
from tests.support.people import Person, new_person, sessions_of
from tests.support.races import CHEAP_HASH, sign_in

pytestmark = pytest.mark.requirement("R4")

HERE = Visitor("192.0.2.1", "tests")
KEY, OTHER, NEXT = "0b8f5a1e-3f4e-4d3c", "another-key-of-mine", "the-key-that-follows"
LATER = """
UPDATE sessions SET superseded_at = ARRAY(SELECT date - interval '6 days' FROM unnest(superseded_at) AS date),
    refreshed_at = refreshed_at - interval '6 days'
WHERE account_id = $1
"""


@pytest.fixture
async def person(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


@pytest.fixture
async def token(parts: Service, person: Person) -> str:
    return (await sign_in(parts, person)).refresh_token


async def refresh(parts: Service, token: str, key: str | None, client: ClientKind = ClientKind.NATIVE) -> str:
    return (await parts.use_cases.refresh(token, client, HERE, key)).refresh_token


async def refusal(parts: Service, token: str, key: str | None) -> Refusal:
    with pytest.raises(Refused) as refused:
        await refresh(parts, token, key)
    return refused.value.refusal


def read(text: str) -> RefreshToken:
    token = TOKENS.read(text)
    assert token is not None
    return token


async def test_the_key_of_the_rotation_yields_the_same_successor_days_later_and_changes_nothing(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    successor = await refresh(parts, token, KEY)
    await sql.execute(LATER, person.id)
    before = await sessions_of(sql, person)
    assert [await refresh(parts, token, KEY) for _ in range(3)] == [successor] * 3
    assert await sessions_of(sql, person) == before
    assert await refresh(parts, successor, NEXT) not in {token, successor}


@pytest.mark.parametrize("key", [OTHER, None])
async def test_another_key_or_none_gets_the_successor_within_the_grace_and_is_reuse_afterwards(
    parts: Service, token: str, sql: Sql, person: Person, key: str | None
) -> None:
    successor = await refresh(parts, token, KEY)
    assert await refresh(parts, token, key) == successor
    await sql.execute(LATER, person.id)
    # A retry with another key has not taken the place of the first.
    assert await refresh(parts, token, KEY) == successor
    assert await refusal(parts, token, key) is Refusal.REFRESH_TOKEN_REUSED
    assert await refusal(parts, token, KEY) is Refusal.SESSION_REVOKED
    assert await refusal(parts, successor, NEXT) is Refusal.SESSION_REVOKED


async def test_a_key_sent_only_after_a_rotation_without_one_is_reuse(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    await refresh(parts, token, None)
    await sql.execute(LATER, person.id)
    assert await refusal(parts, token, KEY) is Refusal.REFRESH_TOKEN_REUSED


@pytest.mark.parametrize("key", [NEXT, KEY, None])
async def test_once_the_successor_was_used_the_key_of_its_parent_is_of_no_more_use(
    parts: Service, token: str, sql: Sql, person: Person, key: str | None
) -> None:
    successor = await refresh(parts, token, KEY)
    await refresh(parts, successor, key)
    await sql.execute(LATER, person.id)
    assert await refusal(parts, token, KEY) is Refusal.REFRESH_TOKEN_REUSED


async def test_a_thief_who_rotates_first_is_found_out_when_the_owner_comes_with_a_key_of_its_own(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    stolen = await refresh(parts, token, "chosen-by-the-thief")
    await sql.execute(LATER, person.id)
    assert await refusal(parts, token, KEY) is Refusal.REFRESH_TOKEN_REUSED
    assert await refusal(parts, stolen, "chosen-by-the-thief") is Refusal.SESSION_REVOKED


async def test_a_late_retry_is_logged_and_one_within_the_grace_is_not(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    await refresh(parts, token, KEY)
    with structlog.testing.capture_logs() as logs:
        await refresh(parts, token, KEY)
    assert logs == []
    await sql.execute(LATER, person.id)
    with structlog.testing.capture_logs() as logs:
        await refresh(parts, token, KEY)
        await parts.use_cases.refresh(token, ClientKind.NATIVE, Visitor(None, None), KEY)
    named = {"account": str(person.id), "session": str(read(token).session_id)}
    line = {"event": "refresh.late_retry", "log_level": "info"} | named
    assert logs == [line | {"address": HERE.address}, line]


@pytest.mark.parametrize("key", [KEY, NEXT, None])
async def test_a_mark_that_the_release_before_left_in_the_row_matches_no_token(
    parts: Service, token: str, sql: Sql, person: Person, key: str | None
) -> None:
    """Neither the parent, also where the client took one key for two refreshes, nor the parent's parent."""
    successor = await refresh(parts, token, KEY)
    await rotate_as_before(sql, successor)
    (row,) = await sessions_of(sql, person)
    assert row["rotated_by"] == TOKENS.mark(read(token), KEY)
    await sql.execute(LATER, person.id)
    assert await refusal(parts, successor, key) is Refusal.REFRESH_TOKEN_REUSED


async def test_a_key_that_the_release_before_ignored_leaves_the_parents_parent_reused(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    await rotate_as_before(sql, await refresh(parts, token, KEY))
    await sql.execute(LATER, person.id)
    assert await refusal(parts, token, KEY) is Refusal.REFRESH_TOKEN_REUSED


async def test_after_rotations_of_the_release_before_a_key_counts_again(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    current = await rotate_as_before(sql, await refresh(parts, token, KEY))
    successor = await refresh(parts, current, NEXT)
    await sql.execute(LATER, person.id)
    assert await refresh(parts, current, NEXT) == successor


@pytest.mark.parametrize("generations", [0, 1, 3])
async def test_a_token_ahead_of_a_row_that_a_failover_set_back_keeps_its_key(
    parts: Service, token: str, sql: Sql, person: Person, generations: int
) -> None:
    (before,) = await sessions_of(sql, person)
    for number in range(generations):
        token = await refresh(parts, token, f"{KEY}-{number}")
    lost = await refresh(parts, token, KEY)
    await set_back(sql, before)
    # The answer was lost with the commit: the client repeats itself, and the rotation is made again.
    assert await refresh(parts, token, KEY) == lost
    await sql.execute(LATER, person.id)
    assert await refresh(parts, token, KEY) == lost
    assert await refusal(parts, token, OTHER) is Refusal.REFRESH_TOKEN_REUSED


async def test_a_rotation_ahead_of_its_row_does_not_keep_the_mark_that_the_row_had(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    second = await refresh(parts, token, KEY)
    (before,) = await sessions_of(sql, person)
    third = await refresh(parts, second, NEXT)
    await set_back(sql, before)
    await refresh(parts, third, None)
    await sql.execute(LATER, person.id)
    assert await refusal(parts, third, NEXT) is Refusal.REFRESH_TOKEN_REUSED


async def set_back(sql: Sql, row: asyncpg.Record) -> None:
    columns: Sequence[object] = [
        row[name] for name in ("generation", "refresh_token_hash", "superseded_at", "rotated_by")
    ]
    session: UUID = row["id"]
    await sql.execute(
        "UPDATE sessions SET generation = $2, refresh_token_hash = $3, superseded_at = $4, rotated_by = $5"
        " WHERE id = $1",
        session,
        *columns,
    )


async def test_the_row_keeps_a_mark_and_not_the_key(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    await refresh(parts, token, KEY)
    (row,) = await sessions_of(sql, person)
    assert row["rotated_by"] == TOKENS.mark(read(token), KEY)
    assert KEY not in repr(row)
    assert KEY.encode().hex() not in repr(row)
    await refresh(parts, await refresh(parts, token, KEY), None)
    (row,) = await sessions_of(sql, person)
    assert row["rotated_by"] is None
