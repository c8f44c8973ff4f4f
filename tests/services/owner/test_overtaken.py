"""The answers of use cases when another request intervenes between two of their steps."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.domain.events import Actor, Event, EventKind
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind, ReuseRevokes, Session, SessionPolicy
from app.domain.visitors import Visitor
from app.storage.postgres.sessions import SessionStore
from app.storage.redis.revocations import RevocationIndex
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, login, me, refresh
from tests.support.servers import ISSUER

VISITOR = Visitor(None, None)
POLICY = SessionPolicy(
    timedelta(days=30), timedelta(days=7), timedelta(seconds=10), ReuseRevokes.SESSION, 100
)
REVOCATION_TTL = timedelta(minutes=16)


class Contended(SessionStore):
    """Every rotation fails, as if the row had changed after it was read."""

    async def rotate(self, *_: Any, **__: Any) -> None:
        return None


class EndedMeanwhile(SessionStore):
    """Another request ends the session as soon as this one has read it."""

    async def read(self, session_id: UUID) -> tuple[Session, datetime] | None:
        found = await super().read(session_id)
        ended = await super().end(session_id, Event(EventKind.SESSION_ENDED, Actor.OPERATOR))
        assert ended is not None
        assert ended.sessions == 1
        return found


async def living(sql: Sql, person: Person) -> int:
    found = await sql.fetchval(
        "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL", person.id
    )
    assert isinstance(found, int)
    return found


async def test_a_current_token_that_cannot_be_rotated_is_not_a_reuse(
    parts: Service, sql: Sql, person: Person
) -> None:
    cases = parts.use_cases
    token = (await cases.login(person.email, PASSWORD, ClientKind.NATIVE, VISITOR)).refresh_token
    contended = replace(cases.refresh, sessions=Contended(parts.database, POLICY, REVOCATION_TTL))
    with pytest.raises(Refused) as refused:
        await contended(token, ClientKind.NATIVE, VISITOR)
    assert refused.value.refusal is Refusal.UNAVAILABLE
    assert await living(sql, person) == 1
    assert (await cases.refresh(token, ClientKind.NATIVE, VISITOR)).refresh_token != token


async def test_of_two_concurrent_reuses_the_later_one_finds_the_session_revoked(
    parts: Service, sql: Sql, person: Person
) -> None:
    cases = parts.use_cases
    token = (await cases.login(person.email, PASSWORD, ClientKind.NATIVE, VISITOR)).refresh_token
    await cases.refresh(token, ClientKind.NATIVE, VISITOR)
    long_ago = "UPDATE sessions SET superseded_at = ARRAY[now() - interval '1 hour'] WHERE account_id = $1"
    await sql.execute(long_ago, person.id)
    sessions = EndedMeanwhile(parts.database, POLICY, REVOCATION_TTL)
    ending = replace(cases.refresh.end_sessions, sessions=sessions)
    with pytest.raises(Refused) as refused:
        await replace(cases.refresh, sessions=sessions, end_sessions=ending)(
            token, ClientKind.NATIVE, VISITOR
        )
    assert refused.value.refusal is Refusal.SESSION_REVOKED
    assert await living(sql, person) == 0


async def test_a_service_without_keys_refuses_logins_and_refreshes_but_not_logout_by_refresh_token(
    parts: Service, sql: Sql, person: Person
) -> None:
    cases = parts.use_cases
    pair = await cases.login(person.email, PASSWORD, ClientKind.NATIVE, VISITOR)
    parts.keys.view = None
    for attempt in (
        cases.logout(None, pair.access_token.text, VISITOR),
        cases.refresh(pair.refresh_token, ClientKind.NATIVE, VISITOR),
        cases.login(person.email, PASSWORD, ClientKind.NATIVE, VISITOR),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.refusal is Refusal.UNAVAILABLE
    assert await living(sql, person) == 1
    index = RevocationIndex("redis://127.0.0.1:1", ISSUER)
    health = await replace(cases.readiness, index=index)()
    assert (health.postgres, health.keys, health.redis, health.is_ready) == (True, False, False, False)
    # A refresh token needs no key to end its session.
    await cases.logout(pair.refresh_token, None, VISITOR)
    assert await living(sql, person) == 0


@pytest.mark.parametrize(
    "change", ["UPDATE accounts SET enabled = false WHERE id = $1", "DELETE FROM accounts WHERE id = $1"]
)
async def test_an_account_changed_by_hand_is_seen_by_the_next_request(
    client: httpx2.AsyncClient, sql: Sql, person: Person, change: str
) -> None:
    """The change by SQL does not end the account's sessions."""
    opened = (await login(client, person)).json()
    await sql.execute(change, person.id)
    answer = await me(client, opened["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    code = "refresh_token_invalid" if change.startswith("DELETE") else "session_revoked"
    assert (await refresh(client, opened["refresh_token"])).json()["code"] == code


@pytest.mark.requirement("R11")
async def test_a_disabled_account_rotates_nothing_and_its_sessions_wait_for_it(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    opened = (await login(client, person)).json()
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", person.id)
    assert (await refresh(client, opened["refresh_token"])).json()["code"] == "session_revoked"
    assert await sql.fetchval("SELECT generation FROM sessions WHERE account_id = $1", person.id) == 0
    await sql.execute("UPDATE accounts SET enabled = true WHERE id = $1", person.id)
    assert (await refresh(client, opened["refresh_token"])).status_code == 200
