"""Months of signing in and out, with the clock in the test's hand: the tables stay as small as what lives."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.depth import depth
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH, inside
from tests.support.servers import migrate

pytestmark = pytest.mark.requirement("R10")

LOGINS = 6
KEPT = 30  # Days: a row goes with the first purge that finds its session over for a day.
A_DAY_PASSES = (
    """UPDATE sessions SET created_at = created_at - $1::interval, refreshed_at = refreshed_at - $1::interval,
       expires_at = expires_at - $1::interval, revoked_at = revoked_at - $1::interval""",
    "UPDATE accounts SET sessions_ended_at = sessions_ended_at - $1::interval",
    "UPDATE revocations SET expires_at = expires_at - $1::interval",
    """UPDATE signing_keys SET created_at = created_at - $1::interval,
       activated_at = activated_at - $1::interval, superseded_at = superseded_at - $1::interval""",
)
HERE = Visitor("192.0.2.1", "tests")


@pytest.fixture
async def own(empty_database: str, environment: dict[str, str]) -> AsyncIterator[Service]:
    own = environment | {"AUTH_DATABASE_URL": empty_database, "AUTH_SIGNING_ALGORITHM": "EdDSA"}
    migrate(own)
    async with inside(own) as service:
        yield service


async def a_day_of(service: Service, person: Person) -> None:
    """Some sign out, one changes the password, the others never come back."""
    cases = service.use_cases
    for number in range(LOGINS):
        pair = await cases.login(person.email, PASSWORD, ClientKind.NATIVE, HERE)
        pair = await cases.refresh(pair.refresh_token, ClientKind.NATIVE, HERE)
        if number % 2:
            await cases.logout(pair.refresh_token, pair.access_token.text, HERE)


async def counts(sql: Sql) -> tuple[int, int, int]:
    found = await sql.fetchrow(
        """SELECT (SELECT count(*) FROM sessions) AS sessions,
           (SELECT count(*) FROM revocations) AS revocations, (SELECT count(*) FROM signing_keys) AS keys"""
    )
    assert found is not None
    return found["sessions"], found["revocations"], found["keys"]


@pytest.mark.parametrize("days", depth(40, 300))
async def test_tables_stay_as_small_as_what_lives(own: Service, empty_database: str, days: int) -> None:
    sql = await connect(empty_database)
    person = await new_person(sql, password_hash=CHEAP_HASH)
    seen = []
    for _ in range(days):
        await a_day_of(own, person)
        for statement in A_DAY_PASSES:
            await sql.execute(statement, timedelta(days=1))
        await own.purge()
        await own.keys.load()
        seen.append(await counts(sql))
    # What went is what had to go, no more: a session that was ended is kept to its absolute end.
    assert [sessions for sessions, _, _ in seen] == [LOGINS * min(day, KEPT) for day in range(1, days + 1)]
    assert {revocations for _, revocations, _ in seen} == {0}
    assert {keys for _, _, keys in seen} <= {2, 3}
    await sql.close()
