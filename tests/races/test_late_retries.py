"""Refreshes with keys that race over several workers: one rotation, one key, one successor."""

import asyncio

import pytest

from app.domain.sessions import RefreshToken
from app.wiring import Service as Inside
from tests.support.connections import Answer, Connection, connections
from tests.support.database import Sql
from tests.support.depth import depth
from tests.support.families import TOKENS
from tests.support.people import Person
from tests.support.races import sign_in
from tests.support.servers import Service

pytestmark = pytest.mark.requirement("R1", "R4")

AT_ONCE = 50
LATER = """
UPDATE sessions SET superseded_at = ARRAY(SELECT date - interval '1 hour' FROM unnest(superseded_at) AS date)
WHERE id = $1
"""
ROW = "SELECT generation, rotated_by FROM sessions WHERE id = $1"


def read(text: str) -> RefreshToken:
    token = TOKENS.read(text)
    assert token is not None
    return token


async def at_once(dealt: list[Connection], token: str, keys: list[str]) -> list[Answer]:
    assert len(keys) == len(dealt)
    return await asyncio.gather(*(each.refresh(token, key) for each, key in zip(dealt, keys, strict=True)))


def successor_in(answers: list[Answer]) -> str:
    """The one refresh token that all of them hold."""
    assert [answer.status for answer in answers] == [200] * len(answers)
    (successor,) = {answer.body["refresh_token"] for answer in answers}
    return str(successor)


@pytest.mark.parametrize("rounds", depth(5, 200))
async def test_fifty_refreshes_with_one_key_and_fifty_late_retries_meet_one_successor(
    rounds: int, service2: Service, front: Inside, sql: Sql, cheap_person: Person
) -> None:
    token = (await sign_in(front, cheap_person)).refresh_token
    session = read(token).session_id
    async with connections(service2, each=AT_ONCE // service2.workers) as dealt:
        for generation in range(1, rounds + 1):
            keys = [f"the-key-of-round-{generation}"] * AT_ONCE
            successor = successor_in(await at_once(dealt, token, keys))
            await sql.execute(LATER, session)
            assert successor_in(await at_once(dealt, token, keys)) == successor
            assert tuple(await sql.fetchrow(ROW, session) or ()) == (
                generation,
                TOKENS.mark(read(token), keys[0]),
            )
            token = successor
        # A step after many retries is a step like any other.
        assert (await dealt[0].refresh(token)).status == 200


@pytest.mark.parametrize("rounds", depth(5, 100))
async def test_of_fifty_refreshes_with_different_keys_one_key_stays(
    rounds: int, service2: Service, front: Inside, sql: Sql, cheap_person: Person
) -> None:
    async with connections(service2, each=AT_ONCE // service2.workers) as dealt:
        for _ in range(rounds):
            token = (await sign_in(front, cheap_person)).refresh_token
            session = read(token).session_id
            keys = [f"the-key-of-client-{number}" for number in range(AT_ONCE)]
            successor = successor_in(await at_once(dealt, token, keys))
            generation, mark = await sql.fetchrow(ROW, session) or (0, b"")
            (winner,) = [key for key in keys if TOKENS.mark(read(token), key) == mark]
            assert generation == 1
            await sql.execute(LATER, session)
            assert successor_in([await each.refresh(token, winner) for each in dealt[:4]]) == successor
            loser = next(key for key in keys if key != winner)
            assert (await dealt[0].refresh(token, loser)).body["code"] == "refresh_token_reused"
            assert (await dealt[0].refresh(token, winner)).body["code"] == "session_revoked"


@pytest.mark.parametrize("rounds", depth(10, 200))
async def test_late_retries_that_race_the_next_rotation_get_the_parents_successor_or_end_the_session(
    rounds: int, service2: Service, front: Inside, sql: Sql, cheap_person: Person
) -> None:
    """No retry gets the token of the rotation that made its own token an older ancestor."""
    async with connections(service2, each=2) as dealt:
        for _ in range(rounds):
            token = (await sign_in(front, cheap_person)).refresh_token
            key = "the-key-of-a-lost-answer"
            successor = successor_in([await dealt[0].refresh(token, key)])
            await sql.execute(LATER, read(token).session_id)
            rotated, *retried = await asyncio.gather(
                dealt[0].refresh(successor, "the-key-of-the-next-step"),
                *(each.refresh(token, key) for each in dealt[1:]),
            )
            for answer in retried:
                assert answer.body.get("refresh_token", successor) == successor
                assert answer.body.get("code") in {None, "refresh_token_reused", "session_revoked"}
            assert rotated.body.get("code") in {None, "session_revoked"}
