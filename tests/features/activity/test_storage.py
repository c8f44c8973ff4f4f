"""An account's events from Postgres: only its own, in a stable order, by the index."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from app.domain.events import EventKind
from app.features.activity.domain import NEWEST, PAGE, SHOWN, Position
from app.features.activity.storage import EVENTS_BEFORE, OwnEventStore
from app.storage.postgres.database import open_database
from tests.support.database import Sql

AT = datetime(2026, 11, 26, tzinfo=UTC)
INSERT = "INSERT INTO events (at, kind, account_id, session_id, address) VALUES ($1, $2, $3, $4, $5)"


@pytest.fixture
async def store(migrated: object, environment: dict[str, str]) -> AsyncIterator[OwnEventStore]:
    database = open_database(environment["AUTH_DATABASE_URL"], pool_size=1)
    yield OwnEventStore(database)
    await database.close()


async def test_an_event_comes_as_it_was_written(store: OwnEventStore, sql: Sql) -> None:
    owner, session = uuid4(), uuid4()
    await sql.execute(INSERT, AT, "login.succeeded", owner, session, "192.0.2.1")
    await sql.execute(INSERT, AT, "login.failed", owner, None, None)
    newest, oldest = await store.before(NEWEST, owner, SHOWN, 10)
    assert (oldest.position.at, oldest.kind, oldest.session_id, oldest.address) == (
        *(AT, EventKind.LOGIN_SUCCEEDED),
        *(session, "192.0.2.1"),
    )
    assert (newest.kind, newest.session_id, newest.address) == (EventKind.LOGIN_FAILED, None, None)
    assert newest.position.id > oldest.position.id


async def test_an_actor_and_a_reason_of_a_later_release_are_read_as_they_are(
    store: OwnEventStore, sql: Sql
) -> None:
    owner = uuid4()
    await sql.execute(
        "INSERT INTO events (kind, account_id, actor, reason) VALUES ('session.ended', $1, 'robot', 'whim')",
        owner,
    )
    (event,) = await store.before(NEWEST, owner, SHOWN, 10)
    assert (event.actor, event.reason) == ("robot", "whim")


async def test_events_of_other_accounts_of_none_and_of_other_kinds_do_not_come(
    store: OwnEventStore, sql: Sql
) -> None:
    owner = uuid4()
    for account, kind in (
        (owner, "login.succeeded"),
        (owner, "key.created"),
        (owner, "of.a.later.release"),
        (uuid4(), "login.succeeded"),
        (None, "login.failed"),
    ):
        await sql.execute(INSERT, AT, kind, account, None, None)
    found = await store.before(NEWEST, owner, SHOWN, 10)
    assert [event.kind for event in found] == [EventKind.LOGIN_SUCCEEDED]


async def test_steps_through_events_of_one_moment_neither_skip_nor_repeat(
    store: OwnEventStore, sql: Sql
) -> None:
    owner = uuid4()
    for number in range(10):
        await sql.execute(INSERT, AT.replace(second=number // 5), "login.failed", owner, None, str(number))
    position, addresses = NEWEST, list[str | None]()
    while found := await store.before(position, owner, SHOWN, 3):
        addresses += [event.address for event in found]
        position = found[-1].position
    assert addresses == [str(number) for number in range(9, -1, -1)]


@pytest.mark.parametrize("position", [NEWEST, Position(AT.replace(second=30), 1)])
async def test_a_page_reads_the_index_of_the_account_and_nothing_else(sql: Sql, position: Position) -> None:
    """Also in a plan for any parameters, which Postgres makes of a statement that comes often."""
    many = sql.transaction()
    await many.start()
    owner = uuid4()
    await sql.execute(
        """INSERT INTO events (at, kind, account_id)
           SELECT $1::timestamptz + number * interval '1 millisecond', 'login.failed',
                  CASE WHEN number % 200 = 0 THEN $2::uuid ELSE gen_random_uuid() END
           FROM generate_series(1, 40000) AS number""",
        AT,
        owner,
    )
    await sql.execute("ANALYZE events")
    plans = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        await sql.execute(f"SET LOCAL plan_cache_mode = {mode}")
        statement = f"EXPLAIN (FORMAT JSON) {EVENTS_BEFORE}"
        arguments = (owner, list(SHOWN), position.at, position.id, PAGE + 1)
        plans += json.loads(await sql.fetchval(statement, *arguments))
    await many.rollback()
    for plan in plans:
        scans = [node for node in _nodes(plan["Plan"]) if "Relation Name" in node]
        assert [(node["Node Type"], node.get("Index Name")) for node in scans] == [
            ("Index Scan", "events_account_id_at_idx")
        ]
        assert "account_id" in scans[0]["Index Cond"]
        assert "at <=" in scans[0]["Index Cond"]
        assert "Sort" not in {node["Node Type"] for node in _nodes(plan["Plan"])}


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for below in plan.get("Plans", []) for node in _nodes(below))]


def test_the_statement_names_its_columns() -> None:
    assert "*" not in EVENTS_BEFORE
