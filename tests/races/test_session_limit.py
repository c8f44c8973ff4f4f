"""Sign-ins at the same moment leave their account no more sessions than it may have."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.domain.refusals import Refused
from app.wiring import Service
from tests.support.database import Sql
from tests.support.depth import depth
from tests.support.people import Person, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in

pytestmark = pytest.mark.requirement("R10")

AT_ONCE, MOST = 50, 5
UNENDED = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"


@pytest.fixture(scope="module")
async def replicas(migrated: object, environment: dict[str, str]) -> AsyncIterator[list[Service]]:
    # One account may hold a quarter of the places.
    room = {"AUTH_PASSWORD_HASH_QUEUE": str(4 * AT_ONCE)}
    few = environment | room | {"AUTH_SESSIONS_PER_ACCOUNT": str(MOST)}
    async with inside(few) as one, inside(few) as another:
        yield [one, another]


async def signs_in(service: Service, person: Person) -> str | None:
    try:
        return (await sign_in(service, person)).access_token.text
    except Refused:
        return None


@pytest.mark.parametrize("rounds", depth(2, 50))
async def test_parallel_sign_ins_never_leave_more_sessions_than_allowed(
    replicas: list[Service], sql: Sql, rounds: int
) -> None:
    for _ in range(rounds):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        attempts = asyncio.gather(*(signs_in(replicas[number % 2], person) for number in range(AT_ONCE)))
        while not attempts.done():
            assert await sql.fetchval(UNENDED, person.id) <= MOST
            await asyncio.sleep(0)
        tokens = await attempts
        assert None not in tokens
        assert await sql.fetchval(UNENDED, person.id) == MOST
        living = 0
        for token in tokens:
            try:
                await replicas[0].use_cases.who_am_i(str(token))
            except Refused:
                continue
            living += 1
        assert living == MOST


@pytest.mark.parametrize("rounds", depth(5, 200))
async def test_sign_ins_that_race_the_end_of_all_sessions_come_before_or_after_it(
    replicas: list[Service], sql: Sql, rounds: int
) -> None:
    for _ in range(rounds):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        for _ in range(MOST):
            await sign_in(replicas[0], person)
        await asyncio.gather(
            replicas[0].operator_sessions.end_of(person.email),
            replicas[1].operator_sessions.end_of(person.email),
            *(signs_in(replicas[number % 2], person) for number in range(2 * MOST)),
        )
        assert await sql.fetchval(UNENDED, person.id) <= MOST
        await replicas[0].operator_sessions.end_of(person.email)
        assert await sql.fetchval(UNENDED, person.id) == 0
