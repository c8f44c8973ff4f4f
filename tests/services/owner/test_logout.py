"""A logout is announced to all replicas; only a token that no retired key has signed ends anything."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.services.owner.logout import Logout
from app.services.revocations import Revocations
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import Person
from tests.support.races import sign_in

VISITOR = Visitor("192.0.2.9", "tests", "request-9")
EVENTS = "SELECT actor, actor_id, reason, account_id, address, request_id FROM events WHERE session_id = $1"


class Announced(Revocations):
    """Keeps the ids that are announced."""

    ids: list[str]

    async def announce(self, ids: Iterable[str], ttl: timedelta | None = None) -> bool:
        self.ids += (given := list(ids))
        return await super().announce(given, ttl)


def announced(parts: Service) -> tuple[Logout, list[str]]:
    """The logout of the parts, and the ids that it announces."""
    logout, revocations = parts.use_cases.logout, parts.revocations
    noting = Announced(revocations.store, revocations.index, timedelta(minutes=16))
    noting.ids = []
    return replace(logout, end_sessions=replace(logout.end_sessions, revocations=noting)), noting.ids


def session_of(parts: Service, pair: TokenPair) -> UUID:
    token = parts.core.crypto.refresh_tokens.read(pair.refresh_token)
    assert token is not None
    return token.session_id


async def is_living(sql: Sql, session_id: UUID) -> bool:
    return bool(await sql.fetchval("SELECT revoked_at IS NULL FROM sessions WHERE id = $1", session_id))


@pytest.mark.parametrize("way", ["refresh token", "access token"])
async def test_a_logout_is_an_event_of_the_owner_and_is_announced(
    parts: Service, sql: Sql, person: Person, way: str
) -> None:
    pair = await sign_in(parts, person)
    session_id, (logout, ids) = session_of(parts, pair), announced(parts)
    refresh_token = pair.refresh_token if way == "refresh token" else None
    await logout(refresh_token, None if refresh_token else pair.access_token.text, VISITOR)
    assert not await is_living(sql, session_id)
    assert ids[0] == str(session_id)
    assert len(ids) == (1 if refresh_token else 2)
    (_, ended) = await sql.fetch(f"{EVENTS} ORDER BY id", session_id)
    assert tuple(ended) == ("owner", str(person.id), "logout", person.id, "192.0.2.9", "request-9")


async def test_an_ancestor_ends_the_session_too_and_a_further_logout_announces_it_again(
    parts: Service, sql: Sql, person: Person
) -> None:
    pair = await sign_in(parts, person)
    await parts.use_cases.refresh(pair.refresh_token, ClientKind.NATIVE, VISITOR)
    session_id, (logout, ids) = session_of(parts, pair), announced(parts)
    for count in (1, 2):
        await logout(pair.refresh_token, None, VISITOR)
        assert not await is_living(sql, session_id)
        # The replica that ended the session may have died before it announced that.
        assert ids == [str(session_id)] * count
    await logout(None, pair.access_token.text, VISITOR)
    assert ids[2:] == [str(session_id), ids[3]]


@pytest.mark.requirement("L2")
async def test_a_token_of_a_retired_key_ends_nothing_and_announces_nothing(
    parts: Service, sql: Sql, person: Person
) -> None:
    pair = await sign_in(parts, person)
    session_id, (logout, ids) = session_of(parts, pair), announced(parts)
    (_, revocable) = await parts.core.authenticate.genuine(pair.access_token.text)
    for id_ in set(revocable) - {str(session_id)}:
        await sql.execute("INSERT INTO revocations VALUES ($1, now() + interval '1 hour')", id_)
        try:
            await logout(None, pair.access_token.text, VISITOR)
        finally:
            await sql.execute("DELETE FROM revocations WHERE id = $1", id_)
        assert await is_living(sql, session_id)
        assert ids == []
    await sql.execute("INSERT INTO revocations VALUES ($1, now() - interval '1 s')", revocable[0])
    await logout(None, pair.access_token.text, VISITOR)
    assert not await is_living(sql, session_id)
