"""Refreshes that race over several workers do not fork the family, and reuse ends it."""

import asyncio
from functools import partial
from pathlib import Path
from secrets import token_hex
from uuid import UUID

import pytest

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service as Inside
from tests.support.connections import connections
from tests.support.database import Sql, connect
from tests.support.depth import depth
from tests.support.families import TOKENS
from tests.support.people import Person, new_person
from tests.support.processes import PATIENCE
from tests.support.races import CHEAP_HASH, inside, sign_in, waiting
from tests.support.servers import PrivateServers, Service, migrate
from tests.support.waiting import eventually

pytestmark = pytest.mark.requirement("R1", "R2")

AT_ONCE = 50
LATER = "UPDATE sessions SET superseded_at = ARRAY[superseded_at[1] - interval '1 hour'] WHERE id = $1"
REVOKED = (
    "SELECT count(*) FILTER (WHERE revoked_at IS NOT NULL), count(*) FROM sessions WHERE account_id = $1"
)


def session_of(refresh_token: str) -> UUID:
    token = TOKENS.read(refresh_token)
    assert token is not None
    return token.session_id


async def superseded(front: Inside, sql: Sql, person: Person) -> TokenPair:
    """A new session whose first refresh token was used an hour ago."""
    pair = await sign_in(front, person)
    await front.use_cases.refresh(pair.refresh_token, ClientKind.NATIVE, Visitor(None, None))
    await sql.execute(LATER, session_of(pair.refresh_token))
    return pair


@pytest.mark.parametrize("rounds", depth(10, 400))
async def test_fifty_parallel_refreshes_of_one_token_meet_one_successor(
    rounds: int, service2: Service, front: Inside, sql: Sql, cheap_person: Person
) -> None:
    token = (await sign_in(front, cheap_person)).refresh_token
    session = session_of(token)
    async with connections(service2, each=AT_ONCE // service2.workers) as dealt:
        for generation in range(1, rounds + 1):
            answers = await asyncio.gather(*(each.refresh(token) for each in dealt))
            assert [answer.status for answer in answers] == [200] * AT_ONCE
            successors = {answer.body["refresh_token"] for answer in answers}
            assert len(successors) == 1
            assert successors != {token}
            token = successors.pop()
            row = "SELECT generation FROM sessions WHERE id = $1"
            assert await sql.fetchval(row, session) == generation


async def test_a_reuse_outlives_the_refusal_that_reports_it(
    service2: Service, front: Inside, sql: Sql, cheap_person: Person
) -> None:
    stolen = await superseded(front, sql, cheap_person)
    other = await sign_in(front, cheap_person)
    async with connections(service2, each=1) as dealt:
        refused = await dealt[0].refresh(stolen.refresh_token)
        assert (refused.status, refused.body["code"]) == (401, "refresh_token_reused")
        assert tuple(await sql.fetchrow(REVOKED, cheap_person.id) or ()) == (1, 2)
        blacklisted = "SELECT count(*) FROM revocations WHERE id = $1"
        assert await sql.fetchval(blacklisted, str(session_of(stolen.refresh_token))) == 1
        for each in dealt:
            assert (await each.refresh(stolen.refresh_token)).body["code"] == "session_revoked"
            assert (await each.me(stolen.access_token.text)).status == 401
            assert (await each.me(other.access_token.text)).status == 200
        assert (await dealt[1].refresh(other.refresh_token)).status == 200


def reports(service: Service, session: object) -> int:
    """How many lines of its log say that a token of this session was reused."""
    lines = [line for line in service.logs().splitlines() if "session.reuse_detected" in line]
    return sum(str(session) in line for line in lines)


async def test_of_two_simultaneous_reuses_one_reports_it(
    service2: Service, front: Inside, sql: Sql, cheap_person: Person
) -> None:
    holder = await connect(service2.environment["AUTH_DATABASE_URL"])
    async with connections(service2, each=1) as dealt:
        for _ in range(10):
            stolen = await superseded(front, sql, cheap_person)
            session = session_of(stolen.refresh_token)
            async with holder.transaction():
                await holder.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", session)
                reuses = [asyncio.ensure_future(each.refresh(stolen.refresh_token)) for each in dealt[:2]]
                await waiting(sql, 2)
            codes = {(await reuse).body["code"] for reuse in reuses}
            assert codes == {"refresh_token_reused", "session_revoked"}
            eventually(partial(reports, service2, session), service2.logs)
            assert reports(service2, session) == 1
    await holder.close()


async def test_a_reuse_ends_all_sessions_of_the_account_where_it_is_asked_to(
    environment: dict[str, str], front: Inside, sql: Sql, cheap_person: Person, tmp_path: Path
) -> None:
    stolen = await superseded(front, sql, cheap_person)
    others = [await sign_in(front, cheap_person) for _ in range(2)]
    stranger = await sign_in(front, await new_person(sql, password_hash=CHEAP_HASH))
    with Service(environment | {"AUTH_REUSE_REVOKES": "account"}, tmp_path) as service:
        async with connections(service, each=1) as dealt:
            assert (await dealt[0].refresh(stolen.refresh_token)).body["code"] == "refresh_token_reused"
            assert tuple(await sql.fetchrow(REVOKED, cheap_person.id) or ()) == (3, 3)
            for other in (stolen, *others):
                assert (await dealt[0].refresh(other.refresh_token)).body["code"] == "session_revoked"
                assert (await dealt[0].me(other.access_token.text)).status == 401
            assert (await dealt[0].me(stranger.access_token.text)).status == 200
            assert (await dealt[0].refresh(stranger.refresh_token)).status == 200


@pytest.mark.parametrize("rounds", depth(12, 200))
@pytest.mark.parametrize(("at_once", "share"), [(1, 1.0), (5, 0.99)])
async def test_every_rotation_is_a_hot_update(
    at_once: int, share: float, rounds: int, private_servers: PrivateServers
) -> None:
    """But for the few that find their page full because another statement may still see its old rows.

    Any transaction on the server may, in another database too: so this one has a server to itself.
    """
    fresh = private_servers.environment | {"AUTH_SIGNING_ALGORITHM": "EdDSA"}
    migrate(fresh)
    sql = await connect(private_servers.servers.database_url)
    await sql.execute("ALTER TABLE sessions SET (autovacuum_enabled = off)")
    person = await new_person(sql, password_hash=CHEAP_HASH)
    async with inside(fresh) as front:
        tokens = [(await sign_in(front, person)).refresh_token for _ in range(50)]

        async def rotated(token: str, key: str | None) -> str:
            visitor = Visitor("192.0.2.1", "tests")
            return (await front.use_cases.refresh(token, ClientKind.NATIVE, visitor, key)).refresh_token

        for number in range(rounds):
            # With a key and without: the row then grows or shrinks by what it keeps of one.
            keys = [token_hex(16) if number % 2 else None for _ in tokens]
            for start in range(0, 50, at_once):
                several = slice(start, start + at_once)
                tokens[several] = await asyncio.gather(*map(rotated, tokens[several], keys[several]))
    # Its connections are closed, and with that their counts are in.
    counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"
    async with asyncio.timeout(PATIENCE):
        while (await sql.fetchval(counts) or 0) < 50 * rounds:  # noqa: ASYNC110 - Postgres notifies no one
            await asyncio.sleep(0.05)
    updated, hot = await sql.fetchrow(counts) or (0, 0)
    await sql.close()
    assert updated == 50 * rounds
    assert hot >= share * updated
