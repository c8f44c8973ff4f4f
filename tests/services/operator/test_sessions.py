"""Sessions as their owner and an operator list and end them, use case by use case."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.domain.passwords import Weakness
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.services.password_rules import WeakPassword
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in, waiting
from tests.support.waiting import until

MANY, BATCH = 2500, 1000
HALF = UUID(int=1 << 127)
NEW_PASSWORD = "another battery horse staple"
VISITOR = Visitor(None, None)
INSERT = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), (ARRAY(SELECT id FROM accounts))[1 + number % (SELECT count(*) FROM accounts)],
    'native', '', now(), now(), now() + $2::interval FROM generate_series(1, $1::int) AS number
"""
LIVING = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL AND expires_at > now()"
BLACKLISTED = """
SELECT count(*) FROM sessions AS s JOIN revocations AS r ON r.id = s.id::text
WHERE s.revoked_at IS NOT NULL AND r.expires_at > now() + interval '15 minutes'
"""


@pytest.fixture
async def someone(parts: Service, sql: Sql) -> Person:
    """A person with an account, while the index is trusted."""
    await until(parts.revocations.reindex)
    return await new_person(sql, password_hash=CHEAP_HASH)


async def refusal_of(attempt: Awaitable[object]) -> Refusal:
    with pytest.raises(Refused) as caught:
        await attempt
    return caught.value.refusal


async def assert_over(service: Service, pair: TokenPair) -> None:
    cases, access_token = service.use_cases, pair.access_token.text
    # Both the index and the session's row must refuse it.
    for look in (cases.who_am_i, cases.who_am_i.authenticate):
        assert await refusal_of(look(access_token)) is Refusal.INVALID_TOKEN
    refreshed = cases.refresh(pair.refresh_token, pair.client, VISITOR)
    assert await refusal_of(refreshed) is Refusal.SESSION_REVOKED


async def several(sql: Sql) -> list[Person]:
    return [await new_person(sql, password_hash=CHEAP_HASH) for _ in range(7)]


async def fill(sql: Sql) -> None:
    """Make many living sessions of all accounts and as many ended ones, half of them by a logout."""
    await sql.execute(INSERT, MANY, timedelta(days=1))
    await sql.execute(INSERT, MANY, timedelta(minutes=-1))
    await sql.execute("UPDATE sessions SET revoked_at = now() WHERE expires_at < now() AND id > $1", HALF)


async def test_an_operator_ends_every_living_session_of_all_accounts_in_batches(
    alone: Service, own_sql: Sql
) -> None:
    people = await several(own_sql)
    pairs = [await sign_in(alone, person) for person in people]
    await fill(own_sql)
    over = await own_sql.fetch("SELECT * FROM sessions WHERE expires_at < now() ORDER BY id")

    assert await alone.operator_sessions.end_all() == MANY + len(people)

    assert await own_sql.fetchval(LIVING) == 0
    assert await own_sql.fetchval(BLACKLISTED) == MANY + len(people)
    assert await own_sql.fetchval("SELECT count(*) FROM revocations") == MANY + len(people)
    assert await own_sql.fetch("SELECT * FROM sessions WHERE expires_at < now() ORDER BY id") == over
    for pair in pairs:
        await assert_over(alone, pair)
    assert await alone.operator_sessions.end_all() == 0


async def test_ending_all_sessions_continues_after_an_interruption(
    alone: Service, apart: dict[str, str], own_sql: Sql
) -> None:
    await several(own_sql)
    await fill(own_sql)
    holder = await connect(apart["AUTH_DATABASE_URL"])
    async with holder.transaction():
        await holder.execute(
            "SELECT FROM sessions WHERE expires_at > now()"
            " ORDER BY account_id DESC, id DESC LIMIT 1 FOR UPDATE"
        )
        interrupted = asyncio.ensure_future(alone.operator_sessions.end_all())
        await waiting(own_sql, 1)
        interrupted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await interrupted
        # Nothing of the third batch is committed.
        assert await own_sql.fetchval(LIVING) == MANY - 2 * BATCH
        assert await own_sql.fetchval(BLACKLISTED) == 2 * BATCH
    await holder.close()
    assert await alone.operator_sessions.end_all() == MANY - 2 * BATCH
    assert (await own_sql.fetchval(LIVING), await own_sql.fetchval(BLACKLISTED)) == (0, MANY)


async def test_two_operators_who_end_all_sessions_at_once_end_each_session_once(
    alone: Service, apart: dict[str, str], own_sql: Sql
) -> None:
    await several(own_sql)
    await fill(own_sql)
    async with inside(apart) as other:
        ended = await asyncio.gather(alone.operator_sessions.end_all(), other.operator_sessions.end_all())
    assert sum(ended) == MANY
    assert (await own_sql.fetchval(LIVING), await own_sql.fetchval(BLACKLISTED)) == (0, MANY)


async def test_an_operator_lists_and_ends_the_sessions_of_one_account(
    parts: Service, sql: Sql, someone: Person
) -> None:
    sessions, bystander = parts.operator_sessions, await new_person(sql, password_hash=CHEAP_HASH)
    first, second, third = [await sign_in(parts, someone) for _ in range(3)]
    other = await sign_in(parts, bystander)
    assert [session.address for session in await sessions.of(f" {someone.email.upper()}")] == [
        "192.0.2.1"
    ] * 3
    newest = (await sessions.of(someone.email))[0].id
    assert await sessions.end(newest) == 1
    assert await sessions.end(newest) == 0
    assert await sessions.end(uuid4()) == 0
    await assert_over(parts, third)
    assert await sessions.end_of(someone.email) == 2
    assert await sessions.of(someone.email) == []
    for pair in (first, second):
        await assert_over(parts, pair)
    assert (await parts.use_cases.who_am_i(other.access_token.text)).account.id == bystander.id


async def test_sessions_of_an_unknown_account_cannot_be_listed_or_ended(parts: Service) -> None:
    for attempt in (parts.operator_sessions.of, parts.operator_sessions.end_of):
        with pytest.raises(Refused) as unknown:
            await attempt("nobody@example.com")
        assert unknown.value.refusal is Refusal.ACCOUNT_UNKNOWN


async def test_an_owner_lists_and_ends_only_their_own_sessions(
    parts: Service, sql: Sql, someone: Person
) -> None:
    own = parts.use_cases.own_sessions
    mine, lost = await sign_in(parts, someone), await sign_in(parts, someone)
    other = await sign_in(parts, await new_person(sql, password_hash=CHEAP_HASH))
    _, other_id = await own.all(other.access_token.text)
    sessions, current = await own.all(mine.access_token.text)
    (lost_id,) = [session.id for session in sessions if session.id != current]
    for foreign_id in (other_id, uuid4()):
        assert await own.end(mine.access_token.text, foreign_id, VISITOR) is False
    assert await own.end(mine.access_token.text, lost_id, VISITOR) is True
    assert await own.end(mine.access_token.text, lost_id, VISITOR) is False
    await assert_over(parts, lost)
    assert [session.id for session in (await own.all(mine.access_token.text))[0]] == [current]
    assert (await own.all(other.access_token.text))[1] == other_id


@pytest.mark.parametrize("means", ["refresh token", "access token", "either", "a bad one beside a good one"])
async def test_any_token_of_a_living_session_ends_them_all(
    parts: Service, someone: Person, means: str
) -> None:
    everywhere = parts.use_cases.logout_everywhere
    pairs = [await sign_in(parts, someone) for _ in range(3)]
    refresh_token, access_token = pairs[1].refresh_token, pairs[1].access_token.text
    arguments: dict[str, tuple[str | None, str | None]] = {
        "refresh token": (refresh_token, None),
        "access token": (None, access_token),
        "either": (refresh_token, access_token),
        "a bad one beside a good one": ("x", access_token),
    }
    await everywhere(*arguments[means], VISITOR)
    for pair in pairs:
        await assert_over(parts, pair)
    for presented in (refresh_token, None), (None, access_token), ("x", None), (None, None):
        assert await refusal_of(everywhere(presented[0], presented[1], VISITOR)) is Refusal.INVALID_TOKEN


async def test_a_logout_ends_the_sessions_of_its_tokens_and_ignores_invalid_ones(
    parts: Service, someone: Person
) -> None:
    logout = parts.use_cases.logout
    first, second, third = [await sign_in(parts, someone) for _ in range(3)]
    stranger = str(UUID(int=0))
    await logout(None, None, VISITOR)
    await logout(stranger, stranger, VISITOR)
    # Well-formed and with a valid mac, but of no session.
    gone = parts.use_cases.refresh.tokens.first(uuid4(), b"\x00" * 16)
    await logout(gone.text, None, VISITOR)
    assert len(await parts.operator_sessions.of(someone.email)) == 3
    for _ in range(2):
        await logout(first.refresh_token, second.access_token.text, VISITOR)
        await logout(second.refresh_token, None, VISITOR)
    for pair in (first, second):
        await assert_over(parts, pair)
    assert (await parts.use_cases.who_am_i(third.access_token.text)).account.id == someone.id


async def test_a_password_change_needs_the_current_password_and_a_strong_new_one(
    parts: Service, someone: Person
) -> None:
    change, pair = parts.use_cases.change_password, await sign_in(parts, someone)
    access_token = pair.access_token.text
    with pytest.raises(WeakPassword) as weak:
        await change(access_token, PASSWORD, "too short", VISITOR)
    assert weak.value.objection.weakness is Weakness.TOO_SHORT
    assert weak.value.refusal is Refusal.INVALID_REQUEST
    guessed = change(access_token, NEW_PASSWORD, NEW_PASSWORD, VISITOR)
    assert await refusal_of(guessed) is Refusal.INVALID_CREDENTIALS
    changed = await change(access_token, PASSWORD, NEW_PASSWORD, VISITOR)
    await assert_over(parts, pair)
    assert (await parts.use_cases.who_am_i(changed.access_token.text)).account.password_version == 2
    login = parts.use_cases.login
    assert (
        await refusal_of(login(someone.email, PASSWORD, ClientKind.NATIVE, VISITOR))
        is Refusal.INVALID_CREDENTIALS
    )
    await login(someone.email, NEW_PASSWORD, ClientKind.NATIVE, VISITOR)
