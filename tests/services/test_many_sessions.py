"""Every way to end the sessions of an account ends all of them, also when there are very many."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from app.domain.refusals import Refusal, Refused
from app.domain.revocations import Ended, Rest
from app.domain.sessions import ClientKind, ReuseRevokes
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.storage.postgres.sessions import SessionStore
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH, sign_in, waiting

pytestmark = pytest.mark.requirement("R7", "R10")

DEEP = [pytest.mark.slow, pytest.mark.timeout(1_800)]
BATCH = 1000
NEW_PASSWORD = "another battery horse staple"
VISITOR = Visitor("192.0.2.1", None)
MANY = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'native', '', now(), now() - number * interval '1 ms', now() + interval '1 day'
FROM generate_series(1, $2::int) AS number
"""
UNENDED = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
REVOKED = "SELECT count(*) FROM revocations"
EVENTS = "SELECT kind, reason, details FROM events WHERE account_id = $1 AND details ? 'ended' ORDER BY id"


@dataclass(frozen=True)
class Crowd:
    """A person with very many sessions, one of which has tokens."""

    service: Service
    sql: Sql
    person: Person
    pair: TokenPair

    async def is_over(self) -> bool:
        """Whether the refresh token and the access token are refused, the latter by the account's own row."""
        cases, refusals = self.service.use_cases, []
        for attempt in (
            cases.refresh(self.pair.refresh_token, ClientKind.NATIVE, VISITOR),
            cases.who_am_i(self.pair.access_token.text),
        ):
            with suppress(Refused):
                await attempt
                continue
            refusals.append(attempt)
        return len(refusals) == 2

    async def endings(self) -> list[tuple[str, str | None, int]]:
        """The events of the account that ended sessions: kind, reason and number."""
        rows = await self.sql.fetch(EVENTS, self.person.id)
        return [(row["kind"], row["reason"], json.loads(row["details"])["ended"]) for row in rows]

    async def unended(self) -> int:
        return int(await self.sql.fetchval(UNENDED, self.person.id))


async def _change_password(crowd: Crowd) -> None:
    await crowd.service.use_cases.change_password(
        crowd.pair.access_token.text, PASSWORD, NEW_PASSWORD, VISITOR
    )


async def _log_out_everywhere(crowd: Crowd) -> None:
    await crowd.service.use_cases.logout_everywhere(crowd.pair.refresh_token, None, VISITOR)


async def _reuse(crowd: Crowd) -> None:
    case = crowd.service.use_cases.refresh
    case = replace(case, policy=replace(case.policy, reuse_revokes=ReuseRevokes.ACCOUNT))
    await case(crowd.pair.refresh_token, ClientKind.NATIVE, VISITOR)
    await crowd.sql.execute(
        "UPDATE sessions SET superseded_at = ARRAY[now() - interval '1 h'] WHERE account_id = $1",
        crowd.person.id,
    )
    with pytest.raises(Refused) as refused:
        await case(crowd.pair.refresh_token, ClientKind.NATIVE, VISITOR)
    assert refused.value.refusal is Refusal.REFRESH_TOKEN_REUSED


ENDS: dict[str, Callable[[Crowd], Awaitable[object]]] = {
    "account.disabled": lambda crowd: crowd.service.accounts.disable(crowd.person.email),
    "account.deleted": lambda crowd: crowd.service.accounts.delete(crowd.person.email),
    "account.roles_changed": lambda crowd: crowd.service.accounts.set_roles(crowd.person.email, []),
    "password.changed": _change_password,
    "password.set": lambda crowd: crowd.service.accounts.set_password(crowd.person.email, NEW_PASSWORD),
    "session.ended": lambda crowd: crowd.service.operator_sessions.end_of(crowd.person.email),
    "logout.everywhere": _log_out_everywhere,
    "session.reuse_detected": _reuse,
}


async def gather_crowd(service: Service, sql: Sql, number: int) -> Crowd:
    person = await new_person(sql, "editor", password_hash=CHEAP_HASH)
    pair = await sign_in(service, person)
    await sql.execute(MANY, person.id, number - 1, timeout=600)
    await sql.execute("ANALYZE sessions", timeout=600)
    return Crowd(service, sql, person, pair)


@pytest.mark.parametrize(
    ("end", "number"),
    [
        *((end, 2500) for end in ENDS),
        *(pytest.param(end, 500_000, marks=DEEP) for end in ("account.deleted", "logout.everywhere")),
    ],
)
async def test_all_sessions_end_however_many_there_are(
    alone: Service, own_sql: Sql, end: str, number: int
) -> None:
    crowd = await gather_crowd(alone, own_sql, number)
    ended = await ENDS[end](crowd)
    assert ended in {number, None}
    assert await crowd.is_over()
    # A change of the password opens a session.
    assert await crowd.unended() == (end == "password.changed")
    assert await own_sql.fetchval(REVOKED) == number
    events = await crowd.endings()
    _, *batches = [(kind, reason) for kind, reason, _ in events]
    # The session that was reused ends with the first batch.
    assert events[0][2] - BATCH in {0, end == "session.reuse_detected"}
    assert sum(sessions for _, _, sessions in events) == number
    if end == "account.deleted":
        assert batches.pop() == ("account.deleted", None)
        assert await own_sql.fetchval("SELECT count(*) FROM accounts") == 0
    assert set(batches) == {("session.ended", "remaining")}


async def half_done(crowd: Crowd, holder: Sql, end: Awaitable[object]) -> None:
    """Interrupt an end of all sessions while its third batch waits for a lock."""
    last = await crowd.sql.fetchval(
        "SELECT id FROM sessions WHERE account_id = $1 ORDER BY id DESC LIMIT 1", crowd.person.id
    )
    async with holder.transaction():
        await holder.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", last)
        interrupted = asyncio.ensure_future(end)
        await waiting(crowd.sql, 1)
        interrupted.cancel()
        with suppress(asyncio.CancelledError):
            await interrupted


@pytest.fixture
async def holder(apart: dict[str, str]) -> AsyncIterator[Sql]:
    """Another connection, which holds locks that others wait for."""
    connection = await connect(apart["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.mark.parametrize("end", ["account.disabled", "password.set", "session.ended"])
async def test_a_session_whose_batch_never_came_does_not_continue(
    alone: Service, own_sql: Sql, holder: Sql, end: str
) -> None:
    crowd = await gather_crowd(alone, own_sql, 2500)
    # The session with tokens is the last one in the order of ids.
    await own_sql.execute(
        "UPDATE sessions SET id = overlay(id::text placing '00000000' from 1 for 8)::uuid"
        " WHERE refresh_token_hash = ''"
    )
    await half_done(crowd, holder, ENDS[end](crowd))
    assert await crowd.unended() == 500
    assert await own_sql.fetchval("SELECT revoked_at FROM sessions WHERE refresh_token_hash <> ''") is None
    assert await crowd.is_over()
    assert await alone.operator_sessions.of(crowd.person.email) == []
    # The next end of all of them ends the rest.
    assert await alone.accounts.disable(crowd.person.email) == 500


class Visited(SessionStore):
    """Before each batch, the owner signs in."""

    crowd: Crowd
    opened: list[TokenPair]

    async def end_next(self, rest: Rest) -> Ended:
        self.opened.append(await sign_in(self.crowd.service, self.crowd.person))
        return await super().end_next(rest)


async def test_a_session_that_opens_while_the_others_end_lives(alone: Service, own_sql: Sql) -> None:
    crowd = await gather_crowd(alone, own_sql, 4500)
    core = alone.core
    sessions = Visited(alone.database, alone.use_cases.refresh.policy, timedelta(minutes=16))
    sessions.crowd, sessions.opened = crowd, []
    ending = replace(core.end_sessions, sessions=sessions)
    await replace(alone.operator_sessions, end_sessions=ending).end_of(crowd.person.email)
    assert len(sessions.opened) >= 2
    assert await crowd.is_over()
    assert await crowd.unended() == len(sessions.opened)
    for pair in sessions.opened:
        await alone.use_cases.who_am_i(pair.access_token.text)
