"""Statements about the sessions of an account read no more rows than they need, by an index."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
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
    """Somebody with many sessions, as many of which have ended, in a table with those of others."""
    person = await new_person(sql, password_hash=CHEAP_HASH)
    await sql.execute("UPDATE accounts SET sessions_ended_at = now() WHERE id = $1", person.id)
    now = await sql.fetchval("SELECT now()")
    for number in range(4):
        owner = person if number == 0 else await new_person(sql, password_hash=CHEAP_HASH)
        for revoked_at in (None, now):
            await sql.execute(SESSIONS, owner.id, MANY // (1 + number), revoked_at)
    await sql.execute("VACUUM ANALYZE sessions")
    return person


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


async def explain(sql: Sql, statement: str, *arguments: object) -> list[dict[str, Any]]:
    """The nodes of the plan that the statement has for all arguments, with the rows of these."""
    await sql.execute("SET plan_cache_mode = force_generic_plan")
    transaction = sql.transaction()
    await transaction.start()
    try:
        text = await sql.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    finally:
        await transaction.rollback()
        await sql.execute("RESET plan_cache_mode")
    return list(nodes(json.loads(text)[0]["Plan"]))


def scanned(node: dict[str, Any]) -> float:
    """The rows of ``sessions`` that a node of a plan read."""
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return float(read * node["Actual Loops"]) if node.get("Relation Name") == "sessions" else 0.0


@pytest.mark.parametrize("name", ["first", "next", "next of all", "surplus", "surplus and held"])
async def test_a_batch_is_found_by_the_index_of_sessions_that_have_not_ended(
    sql: Sql, person: Person, name: str
) -> None:
    held = await sql.fetchval("SELECT id FROM sessions WHERE revoked_at IS NULL LIMIT 1")
    statement, arguments = {
        "first": (END_FIRST_OF_ACCOUNT, (TTL, person.id, held)),
        "next": (END_NEXT_OF_ACCOUNT, (TTL, FIRST, EVENT, person.id)),
        "next of all": (END_NEXT, (TTL, FIRST, EVENT)),
        "surplus": (END_SURPLUS, (TTL, person.id, None, MOST)),
        "surplus and held": (END_SURPLUS, (TTL, person.id, held, MOST)),
    }[name]
    plan = await explain(sql, statement, *arguments)
    assert sum(node.get("Index Name") == "sessions_unended_idx" for node in plan) == (name != "next of all")
    assert [node for node in plan if node["Node Type"] == "Seq Scan" and "sessions" in str(node)] == []
    # What is chosen, what is locked, and what is changed.
    assert sum(map(scanned, plan)) <= 5 * (BATCH + MOST)
