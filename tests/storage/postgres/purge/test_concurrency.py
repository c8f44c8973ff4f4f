"""The purge blocks no request, and several purges do not disturb each other."""

import asyncio
from pathlib import Path

import pytest

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.wiring import Service as Parts
from tests.support.database import Sql
from tests.support.expired import BRAKE, HOLD, MANY, NOT_YET, OVER, REVOCATIONS, SESSIONS, rows
from tests.support.people import Person, problem_of, refresh
from tests.support.races import inside, sign_in, waiting
from tests.support.servers import Service
from tests.support.waiting import client_of, until

pytestmark = pytest.mark.requirement("R10")


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
