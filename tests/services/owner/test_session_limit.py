"""A sign-in leaves its account no more sessions than it may have: those unused longest end."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
import structlog

from app.crypto.refresh_tokens import RefreshTokens
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in

pytestmark = pytest.mark.requirement("R10")

VISITOR = Visitor("192.0.2.9", "tests", "request-9")
UNENDED = "SELECT id FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
USED = "UPDATE sessions SET refreshed_at = now() - $2::interval WHERE id = $1"
EVENTS = """
SELECT kind, actor, reason, session_id, address, request_id, details FROM events
WHERE account_id = $1 AND reason = 'displaced' ORDER BY id
"""
OLD = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'native', '', now(), now() - number * interval '1 s', now() + $3::interval
FROM generate_series(1, $2::int) AS number
"""


@pytest.fixture
async def three(migrated: object, environment: dict[str, str]) -> AsyncIterator[Service]:
    """A service that allows three sessions of an account."""
    async with inside(environment | {"AUTH_SESSIONS_PER_ACCOUNT": "3"}) as service:
        yield service


@pytest.fixture
async def someone(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


def id_of(tokens: RefreshTokens, pair: TokenPair) -> UUID:
    token = tokens.read(pair.refresh_token)
    assert token is not None
    return token.session_id


async def unended(sql: Sql, person: Person) -> set[UUID]:
    return {row["id"] for row in await sql.fetch(UNENDED, person.id)}


async def use(sql: Sql, ids: Sequence[UUID]) -> None:
    """The sessions were used last in this order, each a minute after the one before."""
    for number, session_id in enumerate(reversed(ids)):
        await sql.execute(USED, session_id, timedelta(minutes=1 + number))


async def test_a_further_sign_in_ends_the_session_unused_longest_with_its_access_tokens(
    three: Service, sql: Sql, someone: Person
) -> None:
    pairs = [await sign_in(three, someone) for _ in range(3)]
    first, second, third = (id_of(three.core.crypto.refresh_tokens, pair) for pair in pairs)
    await use(sql, [second, third, first])
    with structlog.testing.capture_logs() as logs:
        await three.use_cases.login(someone.email, PASSWORD, ClientKind.NATIVE, VISITOR)
    left = await unended(sql, someone)
    assert (len(left), left & {first, second, third}) == (3, {first, third})
    for look in (three.use_cases.who_am_i, three.use_cases.who_am_i.authenticate):
        with pytest.raises(Refused):
            await look(pairs[1].access_token.text)
    with pytest.raises(Refused) as refused:
        await three.use_cases.refresh(pairs[1].refresh_token, ClientKind.NATIVE, VISITOR)
    assert refused.value.refusal is Refusal.SESSION_REVOKED
    (event,) = await sql.fetch(EVENTS, someone.id)
    assert json.loads(event["details"]) == {"ended": 1}
    assert tuple(event)[:-1] == (
        *("session.ended", "owner", "displaced"),
        *(second, VISITOR.address, VISITOR.request_id),
    )
    assert [line["event"] for line in logs] == ["session.ended", "login.succeeded"]


async def test_sessions_that_have_expired_go_first(three: Service, sql: Sql, someone: Person) -> None:
    tokens = three.core.crypto.refresh_tokens
    ids = [id_of(tokens, await sign_in(three, someone)) for _ in range(3)]
    await use(sql, ids)
    await sql.execute("UPDATE sessions SET expires_at = now() WHERE id = $1", ids[2])
    opened = id_of(tokens, await sign_in(three, someone))
    assert await unended(sql, someone) == {ids[0], ids[1], opened}


async def test_sessions_of_others_and_ended_ones_do_not_count(
    three: Service, sql: Sql, someone: Person
) -> None:
    other = await new_person(sql, password_hash=CHEAP_HASH)
    for _ in range(3):
        await sign_in(three, other)
        await sign_in(three, someone)
    await three.operator_sessions.end_of(someone.email)
    for _ in range(3):
        await sign_in(three, someone)
    assert (len(await unended(sql, someone)), len(await unended(sql, other))) == (3, 3)
    assert await sql.fetch(EVENTS, someone.id) == []


async def test_one_session_an_account_is_possible(
    migrated: object, environment: dict[str, str], sql: Sql, someone: Person
) -> None:
    async with inside(environment | {"AUTH_SESSIONS_PER_ACCOUNT": "1"}) as single:
        for _ in range(3):
            pair = await sign_in(single, someone)
            assert await unended(sql, someone) == {id_of(single.core.crypto.refresh_tokens, pair)}


@pytest.mark.parametrize("left", ["1 day", "-1 day"], ids=["living", "expired"])
async def test_an_account_with_far_more_sessions_comes_down_by_a_batch_at_each_sign_in(
    three: Service, sql: Sql, someone: Person, left: str
) -> None:
    await sql.execute(OLD, someone.id, 2500, timedelta(days=int(left.split(maxsplit=1)[0])))
    counts = []
    for _ in range(4):
        pair = await sign_in(three, someone)
        await three.use_cases.who_am_i(pair.access_token.text)
        counts.append(len(await unended(sql, someone)))
    # A statement looks at three and a batch of a thousand, and leaves room for one.
    assert counts == [2500 - 1001 + 1, 2500 - 2 * 1001 + 2, 3, 3]
    events = await sql.fetch(EVENTS, someone.id)
    assert [json.loads(event["details"])["ended"] for event in events] == [1001, 1001, 498, 1]
    assert [event["session_id"] is None for event in events] == [True, True, True, False]


async def test_a_password_change_counts_its_own_session_too(
    three: Service, sql: Sql, someone: Person
) -> None:
    pairs = [await sign_in(three, someone) for _ in range(3)]
    changed = await three.use_cases.change_password(
        pairs[0].access_token.text, PASSWORD, "another battery horse staple", VISITOR
    )
    assert await unended(sql, someone) == {id_of(three.core.crypto.refresh_tokens, changed)}


async def test_a_sign_in_that_opens_nothing_ends_nothing(three: Service, sql: Sql, someone: Person) -> None:
    before = {id_of(three.core.crypto.refresh_tokens, await sign_in(three, someone)) for _ in range(3)}
    with pytest.raises(Refused):
        await three.use_cases.login(someone.email, "not the password", ClientKind.NATIVE, VISITOR)
    assert await unended(sql, someone) == before


async def test_a_session_is_younger_than_the_last_end_of_all_even_if_the_clock_was_set_back(
    three: Service, sql: Sql, someone: Person
) -> None:
    ahead = "UPDATE accounts SET sessions_ended_at = now() + interval '1 minute' WHERE id = $1"
    await sql.execute(ahead, someone.id)
    pair = await sign_in(three, someone)
    await three.use_cases.who_am_i(pair.access_token.text)
    await three.use_cases.refresh(pair.refresh_token, ClientKind.NATIVE, VISITOR)
