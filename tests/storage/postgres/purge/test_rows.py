"""The purge deletes rows that have become useless and no others, in batches."""

from collections.abc import Awaitable
from datetime import datetime, timedelta

import asyncpg
import pytest

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.storage.postgres.database import Database
from app.storage.postgres.purges import deletion, purge
from app.wiring import Service as Parts
from tests.support.database import Sql
from tests.support.expired import BATCH, BRAKE, MANY, NOT_YET, OVER, REVOCATIONS, SESSIONS, rows
from tests.support.people import Person
from tests.support.races import sign_in

pytestmark = pytest.mark.requirement("R10")


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
    statement = deletion("sessions", "expires_at")
    assert len(await parts.database.rows(statement, None, timedelta(days=1))) == BATCH
    # The older ones were deleted.
    younger = "SELECT count(*) FROM sessions WHERE expires_at >= now() - $1::interval"
    assert await sql.fetchval(younger, 1.5 * OVER) == await rows(sql) == BATCH // 2
    assert [await parts.purge.sessions.purge() for _ in range(2)] == [BATCH // 2, 0]
    assert [await parts.purge.revocations.purge() for _ in range(2)] == [BATCH + 1, 0]


class Watched(Database):
    """Keeps where each batch begins, and the times of the rows that it deleted."""

    batches: list[tuple[object, list[datetime]]]

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        found = await super().rows(statement, *arguments)
        self.batches.append((arguments[0], [row["moment"] for row in found]))
        return found


async def test_each_batch_begins_where_the_one_before_ended(parts: Parts, sql: Sql, someone: Person) -> None:
    """Deleted rows stay in the index for a while, and no batch passes over those of another one again."""
    for age in range(5):
        await sql.execute(SESSIONS, someone.id, BATCH // 2, (3 + age) * OVER)
    watched = Watched(parts.database.pool)
    watched.batches = []
    assert await purge(watched, deletion("sessions", "expires_at"), timedelta(days=1)) == 5 * BATCH // 2
    begins, deleted = zip(*watched.batches, strict=True)
    assert list(map(len, deleted)) == [BATCH, BATCH, BATCH // 2]
    assert begins == (None, max(deleted[0]), max(deleted[1]))


async def test_a_table_that_cannot_be_purged_does_not_keep_the_others_from_it(
    parts: Parts, sql: Sql, someone: Person
) -> None:
    await sql.execute(SESSIONS, someone.id, 1, OVER)
    await sql.execute(REVOCATIONS, 1, OVER)
    await sql.execute("INSERT INTO events (kind, at) VALUES ('login.failed', now() - interval '10 years')")
    for table, left in (("sessions", (1, 0)), ("revocations", (0, 1))):
        await sql.execute(
            BRAKE.replace("PERFORM pg_advisory_xact_lock_shared", "PERFORM 1 / 0 +").replace(
                "sessions", table
            )
        )
        with pytest.raises(asyncpg.DivisionByZeroError):
            await parts.purge()
        assert (await rows(sql), await rows(sql, "revocations")) == left
        assert await sql.fetchval("SELECT count(*) FROM events WHERE at < now() - interval '9 years'") == 0
        await sql.execute("DROP FUNCTION brake CASCADE")
        await sql.execute(SESSIONS, someone.id, 1, OVER)
        await parts.purge.sessions.purge()
        await sql.execute(REVOCATIONS, 1, OVER)


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
