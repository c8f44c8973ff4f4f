"""Statements over tables of any size use an index, and read no more rows than they need."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from app.dev import Servers
from app.storage.postgres.database import BATCH
from app.storage.postgres.events import NEWEST, SINCE
from app.storage.postgres.purges import AT_ONCE, deletion
from app.storage.postgres.revocations import CHANGED, LIVE
from tests.support.database import Sql, connect
from tests.support.people import new_person
from tests.support.plans import explain, indexes, read_whole, rows_read
from tests.support.races import CHEAP_HASH
from tests.support.servers import ROOT, database, migrate

pytestmark = pytest.mark.requirement("R10")

MANY = 20_000
NOW, DAY = timedelta(), timedelta(days=1)
TIMES = {"sessions": "expires_at", "revocations": "expires_at", "events": "at"}
# Half of the rows are over a day old, and half are younger.
AGES = f"""
generate_series(1, {MANY}) AS number,
LATERAL (SELECT now() - (2 * number / {MANY}.0) * interval '1 day') AS age (moment)"""
FILL = {
    "sessions": f"""
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'native', '', moment, moment, moment FROM {AGES}""",
    "revocations": f"""
INSERT INTO revocations (id, expires_at) SELECT $1::uuid::text || number, moment FROM {AGES}""",
    "events": f"""
INSERT INTO events (account_id, kind, at) SELECT $1, 'login.failed', moment FROM {AGES}""",
}


LIVING = """
INSERT INTO revocations (id, expires_at)
SELECT gen_random_uuid()::text, now() + number * interval '1 ms' + interval '1 hour'
FROM generate_series(1, $1::int) AS number"""
# As if no transaction were open elsewhere in the server, whose number would be the first to be read again.
ALL_DONE = "SELECT concat_ws(':', next, next, '') FROM pg_snapshot_xmax(pg_current_snapshot()) AS next"
LAST = "SELECT tx::text, id FROM revocations ORDER BY tx DESC, id DESC LIMIT 1"


@pytest.fixture(scope="module")
def apart(servers: Servers, environment: dict[str, str]) -> Iterator[str]:
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate(environment | {"AUTH_DATABASE_URL": url})
        yield url


@pytest.fixture(scope="module")
async def sql(apart: str) -> AsyncIterator[Sql]:
    connection = await connect(apart)
    person = await new_person(connection, password_hash=CHEAP_HASH)
    for statement in FILL.values():
        await connection.execute(statement, person.id)
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


@pytest.mark.parametrize("generic", [True, False])
@pytest.mark.parametrize("table", TIMES)
async def test_a_purge_finds_its_batch_by_an_index(sql: Sql, table: str, generic: bool) -> None:
    statement = deletion(table, TIMES[table])
    plan = await explain(sql, statement, None, DAY, generic=generic)
    assert f"{table}_{TIMES[table]}_idx" in indexes(plan)
    assert not read_whole(plan)
    assert not [node for node in plan if node["Node Type"] == "Sort"]
    # The batch is read to lock it, read again to delete it, and returned.
    assert rows_read(plan, table) == 3 * AT_ONCE


@pytest.mark.parametrize("generic", [True, False])
@pytest.mark.parametrize("table", TIMES)
async def test_a_purge_that_has_nothing_to_delete_reads_no_row(sql: Sql, table: str, generic: bool) -> None:
    plan = await explain(sql, deletion(table, TIMES[table]), None, 3 * DAY, generic=generic)
    assert not read_whole(plan)
    assert rows_read(plan, table) == 0


async def test_the_latest_events_are_found_by_their_time(sql: Sql) -> None:
    every: tuple[object, ...] = (None, [], None, None)
    for statement, arguments, most in (
        (SINCE, (*every, None, timedelta(minutes=5)), 100),
        (NEWEST, (*every, 10), 20),
    ):
        plan = await explain(sql, statement, *arguments, generic=False)
        assert indexes(plan) == {"events_at_idx"}, statement
        assert not read_whole(plan), statement
        assert 0 < rows_read(plan, "events") <= most, statement


@pytest.mark.parametrize("generic", [True, False])
async def test_what_was_revoked_is_found_in_batches_by_an_index(sql: Sql, generic: bool) -> None:
    await sql.execute(LIVING, MANY)
    await sql.execute("ANALYZE revocations")
    plan = await explain(sql, LIVE, None, "", generic=generic)
    assert indexes(plan) == {"revocations_expires_at_idx"}
    assert not read_whole(plan)
    assert BATCH <= rows_read(plan, "revocations") <= 2 * BATCH
    place, entry = await sql.fetchrow(LAST) or ("", "")
    for number in (0, 3 * BATCH):
        before = await sql.fetchval(ALL_DONE)
        await sql.execute(LIVING, number)
        after = await sql.fetchval(ALL_DONE)
        for begin in ((None, ""), (place, entry)):
            plan = await explain(sql, CHANGED, *begin, before, after, generic=generic)
            assert indexes(plan) == {"revocations_tx_id_idx"}
            assert not read_whole(plan)
            assert rows_read(plan, "revocations") == min(number, BATCH)


def test_no_condition_has_a_function_whose_value_changes_while_a_statement_runs() -> None:
    """Such a condition is checked for every row, and no index answers it."""
    volatile = re.compile(r"[<>]=?\s*(?:clock_timestamp|timeofday|random)\(|clock_timestamp\(\)[^,\n]*[<>]")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "app").rglob("*.py")
        for line in path.read_text().splitlines()
        if volatile.search(line)
    ]
    # A rotation finds its session by the id, and asks for the time again after it has waited for the row.
    rotation = "AND s.expires_at > clock_timestamp() AND s.refreshed_at > clock_timestamp() - $6::interval"
    assert found == [f"app/storage/postgres/sessions.py: {rotation}"]
