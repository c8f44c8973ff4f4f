"""The purge deletes rows that have become useless and no others, and blocks no request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.dev import Servers
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.wiring import Service as Parts
from tests.support.database import Sql, connect
from tests.support.people import Person, new_person, problem_of, refresh
from tests.support.races import CHEAP_HASH, inside, sign_in, waiting
from tests.support.servers import Service, database, migrate
from tests.support.waiting import client_of, until

pytestmark = pytest.mark.requirement("R10")

MANY, BATCH = 2500, 1000
HOLD = 4711
OVER, NOT_YET = timedelta(hours=25), timedelta(hours=23)
"""How long ago a session expired that may be deleted, and one that has to stay."""

SESSIONS = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'browser', '', now() - interval '40 days', now() - interval '40 days',
    now() - $3::interval FROM generate_series(1, $2::int)
"""
REVOCATIONS = """
INSERT INTO revocations (id, expires_at)
SELECT gen_random_uuid()::text, now() - $2::interval FROM generate_series(1, $1::int)
"""
# Every deletion of a session waits until the lock is free.
BRAKE = f"""
CREATE FUNCTION brake() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_advisory_xact_lock_shared({HOLD}); RETURN OLD; END$$;
CREATE TRIGGER brake BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION brake();
"""


@pytest.fixture(scope="module")
def apart(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """With a database that no running service purges, and without the Redis of this worker."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        apart = environment | {"AUTH_DATABASE_URL": url, "AUTH_REDIS_URL": "redis://127.0.0.1:1/0"}
        migrate(apart)
        yield apart


@pytest.fixture
async def sql(apart: dict[str, str]) -> AsyncIterator[Sql]:
    """A connection to that database, which is emptied first."""
    connection = await connect(apart["AUTH_DATABASE_URL"])
    await connection.execute("TRUNCATE accounts, sessions, revocations")
    yield connection
    await connection.execute("DROP FUNCTION IF EXISTS brake CASCADE")
    await connection.close()


@pytest.fixture
async def holder(apart: dict[str, str]) -> AsyncIterator[Sql]:
    """Another connection, to hold locks for which others wait."""
    connection = await connect(apart["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def parts(apart: dict[str, str]) -> AsyncIterator[Parts]:
    async with inside(apart) as service:
        yield service


@pytest.fixture
async def someone(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def rows(sql: Sql, table: str = "sessions") -> int:
    found = await sql.fetchval(f"SELECT count(*) FROM {table}")
    assert isinstance(found, int)
    return found


async def refusal(attempt: Awaitable[object]) -> Refusal:
    with pytest.raises(Refused) as refused:
        await attempt
    return refused.value.refusal


async def test_a_purge_deletes_all_useless_rows_however_many_there_are(
    parts: Parts, sql: Sql, someone: Person
) -> None:
    await sign_in(parts, someone)
    await sql.execute(SESSIONS, someone.id, MANY, OVER)
    await sql.execute(REVOCATIONS, MANY, timedelta(seconds=1))
    assert await parts.purge() == 2 * MANY
    assert (await rows(sql), await rows(sql, "revocations")) == (1, 0)
    assert await parts.purge() == 0


async def test_one_statement_deletes_one_batch_at_most_the_oldest_first(
    parts: Parts, sql: Sql, someone: Person
) -> None:
    await sql.execute(SESSIONS, someone.id, BATCH // 2, OVER)
    await sql.execute(SESSIONS, someone.id, BATCH, 2 * OVER)
    await sql.execute(REVOCATIONS, BATCH + 1, OVER)
    assert await parts.purge.sessions.purge() == BATCH
    # The older ones were deleted.
    assert (
        await sql.fetchval(
            "SELECT count(*) FROM sessions WHERE expires_at < now() - $1::interval", 1.5 * OVER
        )
        == 0
    )
    assert [await parts.purge.sessions.purge() for _ in range(2)] == [BATCH // 2, 0]
    assert [await parts.purge.revocations.purge() for _ in range(3)] == [BATCH, 1, 0]


async def test_a_purge_keeps_every_row_that_may_still_be_needed(
    parts: Parts, sql: Sql, someone: Person
) -> None:
    for end in ("UPDATE sessions SET revoked_at = refreshed_at", "SELECT"):
        await sql.execute(SESSIONS, someone.id, 3, NOT_YET)
        await sql.execute(SESSIONS, someone.id, 3, timedelta(days=-1))
        await sql.execute(end)
    await sign_in(parts, someone)
    await sql.execute(REVOCATIONS, 3, timedelta(minutes=-1))
    before = await sql.fetch("SELECT * FROM sessions ORDER BY id")
    accounts, keys = await sql.fetch("SELECT * FROM accounts"), await rows(sql, "signing_keys")
    assert await parts.purge() == 0
    assert await sql.fetch("SELECT * FROM sessions ORDER BY id") == before
    assert await rows(sql, "revocations") == 3
    assert (await sql.fetch("SELECT * FROM accounts"), await rows(sql, "signing_keys")) == (accounts, keys)


async def test_an_ended_session_is_recognised_until_a_day_after_it_would_have_expired(
    parts: Parts, sql: Sql, someone: Person
) -> None:
    pair, cases, unknown = await sign_in(parts, someone), parts.use_cases, Visitor(None, None)
    renewed = await cases.refresh(pair.refresh_token, ClientKind.NATIVE, unknown)
    await cases.logout(renewed.refresh_token, None, unknown)
    for age, code in (
        (timedelta(days=-1), Refusal.SESSION_REVOKED),
        (NOT_YET, Refusal.SESSION_REVOKED),
        (OVER, Refusal.REFRESH_TOKEN_INVALID),
    ):
        await sql.execute("UPDATE sessions SET expires_at = now() - $1::interval", age)
        await sql.execute("UPDATE revocations SET expires_at = now() - interval '1 s'")
        await parts.purge()
        for token in (pair.refresh_token, renewed.refresh_token):
            assert await refusal(cases.refresh(token, ClientKind.NATIVE, unknown)) is code


@pytest.mark.parametrize("table", ["sessions", "revocations"])
async def test_a_purge_skips_a_locked_row(
    parts: Parts, sql: Sql, holder: Sql, someone: Person, table: str
) -> None:
    await sql.execute(SESSIONS, someone.id, 3, OVER)
    await sql.execute(REVOCATIONS, 3, OVER)
    held = await sql.fetchval(f"SELECT id FROM {table} LIMIT 1")
    async with holder.transaction():
        await holder.execute(f"SELECT FROM {table} WHERE id = $1 FOR UPDATE", held)
        assert await parts.purge() == 5
        assert await sql.fetchval(f"SELECT id FROM {table}") == held
    assert await parts.purge() == 1


async def test_no_request_waits_for_a_purge_under_way(
    parts: Parts, sql: Sql, holder: Sql, someone: Person
) -> None:
    pair, cases, unknown = await sign_in(parts, someone), parts.use_cases, Visitor(None, None)
    await sql.execute(SESSIONS, someone.id, 3, OVER)
    await sql.execute(BRAKE)
    async with holder.transaction():
        await holder.execute(f"SELECT pg_advisory_xact_lock({HOLD})")
        purge = asyncio.ensure_future(parts.purge())
        await waiting(sql, 1)
        opened = await sign_in(parts, someone)
        renewed = await cases.refresh(pair.refresh_token, ClientKind.NATIVE, unknown)
        await cases.logout(opened.refresh_token, None, unknown)
        assert (await cases.who_am_i(renewed.access_token.text)).account.id == someone.id
        assert await cases.own_sessions.all(renewed.access_token.text)
        assert not purge.done()
    assert await purge == 3
    assert await rows(sql) == 2


async def test_of_two_concurrent_purges_one_does_nothing(
    parts: Parts, apart: dict[str, str], sql: Sql, holder: Sql, someone: Person
) -> None:
    await sql.execute(SESSIONS, someone.id, 3, OVER)
    await sql.execute(BRAKE)
    async with inside(apart) as other:
        async with holder.transaction():
            await holder.execute(f"SELECT pg_advisory_xact_lock({HOLD})")
            purge = asyncio.ensure_future(parts.purge())
            await waiting(sql, 1)
            # Rows that the first purge has not locked.
            await sql.execute(SESSIONS, someone.id, 2, OVER)
            await sql.execute(REVOCATIONS, 2, OVER)
            assert await other.purge() == 0
            assert not purge.done()
        assert await purge == 3 + 2
        assert await other.purge() == 2


async def test_several_concurrent_purges_delete_each_row_once(
    parts: Parts, apart: dict[str, str], sql: Sql, someone: Person
) -> None:
    await sql.execute(SESSIONS, someone.id, MANY, OVER)
    await sql.execute(REVOCATIONS, MANY, OVER)
    async with inside(apart) as second, inside(apart) as third:
        deleted = await asyncio.gather(parts.purge(), second.purge(), third.purge())
        left = await rows(sql) + await rows(sql, "revocations")
        assert sum(deleted) + left == 2 * MANY
        assert await parts.purge() == left
    assert (await rows(sql), await rows(sql, "revocations")) == (0, 0)


async def test_a_running_service_purges_by_itself_and_retries_after_a_failure(
    parts: Parts, apart: dict[str, str], sql: Sql, someone: Person, tmp_path: Path
) -> None:
    ended, alive = await sign_in(parts, someone), await sign_in(parts, someone)
    await parts.use_cases.logout(ended.refresh_token, None, Visitor(None, None))
    await sql.execute(SESSIONS, someone.id, MANY, OVER)
    await sql.execute(SESSIONS, someone.id, 3, NOT_YET)
    await sql.execute(REVOCATIONS, MANY, OVER)
    await sql.execute(BRAKE.replace("PERFORM pg_advisory_xact_lock_shared", "PERFORM 1 / 0 +"))

    async def has_failed() -> bool:
        return "job.failed" in service.logs()

    async def is_done() -> bool:
        return (await rows(sql), await rows(sql, "revocations")) == (5, 1)

    with Service(apart, tmp_path) as service:
        await until(has_failed)
        await sql.execute("DROP FUNCTION brake CASCADE")
        await until(is_done)
        async with client_of(service) as client:
            problem_of(await refresh(client, ended.refresh_token), 401, "session_revoked")
            assert (await refresh(client, alive.refresh_token)).status_code == 200
