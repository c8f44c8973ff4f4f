"""Statements about the sessions of an account read no more rows than they need, by an index."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.dev import Servers
from app.storage.postgres.session_ends import (
    END_FIRST_OF_ACCOUNT,
    END_NEXT,
    END_NEXT_OF_ACCOUNT,
    END_SURPLUS,
)
from tests.support.database import Sql, connect
from tests.support.people import Person, new_person
from tests.support.plans import explain, read_whole, rows_read
from tests.support.races import CHEAP_HASH
from tests.support.servers import database, migrate

pytestmark = pytest.mark.requirement("R10")

MANY, BATCH, MOST = 20_000, 1000, 100
TTL, FIRST = timedelta(minutes=16), UUID(int=0)
EVENT = '[{"kind": "session.ended", "details": {}}]'
SESSIONS = """
INSERT INTO sessions
    (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at, revoked_at)
SELECT gen_random_uuid(), $1, 'native', '', now() - interval '1 h', now(), now() + interval '1 day', $3
FROM generate_series(1, $2::int)
"""


@pytest.fixture(scope="module")
def apart(servers: Servers, environment: dict[str, str]) -> Iterator[str]:
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate(environment | {"AUTH_DATABASE_URL": url})
        yield url


@pytest.fixture(scope="module")
async def sql(apart: str) -> AsyncIterator[Sql]:
    connection = await connect(apart)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def person(sql: Sql) -> Person:
    """A person with many sessions, as many of which have ended, in a table with those of others."""
    person = await new_person(sql, password_hash=CHEAP_HASH)
    await sql.execute("UPDATE accounts SET sessions_ended_at = now() WHERE id = $1", person.id)
    now = await sql.fetchval("SELECT now()")
    for number in range(4):
        owner = person if number == 0 else await new_person(sql, password_hash=CHEAP_HASH)
        for revoked_at in (None, now):
            await sql.execute(SESSIONS, owner.id, MANY // (1 + number), revoked_at)
    await sql.execute("VACUUM ANALYZE sessions")
    return person


@pytest.mark.parametrize("name", ["first", "next", "next of all", "surplus", "surplus and held"])
async def test_a_batch_is_found_by_the_index_of_sessions_that_have_not_ended(
    sql: Sql, person: Person, name: str
) -> None:
    held = await sql.fetchval("SELECT id FROM sessions WHERE revoked_at IS NULL LIMIT 1")
    statement, arguments = {
        "first": (END_FIRST_OF_ACCOUNT, (TTL, person.id, held, "logout")),
        "next": (END_NEXT_OF_ACCOUNT, (TTL, FIRST, EVENT, person.id)),
        "next of all": (END_NEXT, (TTL, FIRST, EVENT, FIRST)),
        "surplus": (END_SURPLUS, (TTL, person.id, None, MOST)),
        "surplus and held": (END_SURPLUS, (TTL, person.id, held, MOST)),
    }[name]
    plan = await explain(sql, statement, *arguments)
    assert sum(node.get("Index Name") == "sessions_unended_idx" for node in plan) == 1
    assert not read_whole(plan) & {"sessions", "revocations"}
    # What is chosen, what is locked, and what is changed.
    assert rows_read(plan, "sessions") <= 5 * (BATCH + MOST)
