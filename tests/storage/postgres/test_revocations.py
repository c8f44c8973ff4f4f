"""What was revoked since a position: each revocation once, however late its transaction commits."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from app.storage.postgres.database import BATCH, Database, open_database
from app.storage.postgres.revocations import RevocationStore, revoke_keys
from tests.support.database import Sql, connect
from tests.support.servers import ROOT, migrate

pytestmark = pytest.mark.requirement("L2")

LASTS = timedelta(minutes=16)
INSERT = "INSERT INTO revocations (id, expires_at) SELECT unnest($1::text[]), now() + interval '16 minutes'"


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    migrate({"AUTH_DATABASE_URL": empty_database})
    database = open_database(empty_database, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> RevocationStore:
    return RevocationStore(database)


@pytest.fixture
async def sql(database: Database, empty_database: str) -> AsyncIterator[Sql]:
    """The connection of another replica."""
    connection = await connect(empty_database)
    yield connection
    await connection.close()


@pytest.fixture
async def other(database: Database, empty_database: str) -> AsyncIterator[Sql]:
    """The connection of a third one."""
    connection = await connect(empty_database)
    yield connection
    await connection.close()


class Reader:
    """Looks again and again, each time from where the last look ended."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store
        self.position: str | None = None
        self.is_whole = False

    async def look(self) -> list[str]:
        found = await self._store.changes(self.position)
        batches = [batch async for batch in found.batches]
        assert all(timedelta() < each.lasts <= LASTS for batch in batches for each in batch.values())
        assert all(len(batch) <= BATCH for batch in batches)
        self.position, self.is_whole = found.position, found.is_whole
        return sorted(entry for batch in batches for entry in batch)


async def test_the_first_look_finds_everything_and_a_later_one_what_was_revoked_since(
    database: Database, store: RevocationStore, sql: Sql
) -> None:
    await sql.execute(INSERT, ["a", "b"])
    await sql.execute("INSERT INTO revocations (id, expires_at) VALUES ('over', now())")
    reader = Reader(store)
    assert (await reader.look(), reader.is_whole) == (["a", "b"], True)
    assert (await reader.look(), reader.is_whole) == ([], False)
    await sql.execute(INSERT, ["c"])
    assert (await reader.look(), reader.is_whole) == (["c"], False)
    # A revocation that is made longer counts as a new one.
    async with database.transaction() as connection:
        await revoke_keys(connection, ["a", "d"], LASTS)
    assert await reader.look() == ["a", "d"]
    assert await Reader(store).look() == ["a", "b", "c", "d"]


async def test_a_transaction_that_commits_late_is_not_skipped(
    store: RevocationStore, sql: Sql, other: Sql
) -> None:
    reader = Reader(store)
    await reader.look()
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(INSERT, ["early number, late commit"])
    await other.execute(INSERT, ["late number, early commit"])
    assert await reader.look() == ["late number, early commit"]
    await other.execute(INSERT, ["another"])
    # What was found is not found again, although the transaction that is open began before it.
    assert await reader.look() == ["another"]
    assert await reader.look() == []
    await transaction.commit()
    assert await reader.look() == ["early number, late commit"]
    assert await reader.look() == []


async def test_a_transaction_that_was_rolled_back_is_not_found(store: RevocationStore, sql: Sql) -> None:
    reader = Reader(store)
    await reader.look()
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(INSERT, ["undone"])
    await transaction.rollback()
    await sql.execute(INSERT, ["done"])
    assert await reader.look() == ["done"]


async def test_what_many_transactions_revoke_is_found_once_in_batches(
    store: RevocationStore, sql: Sql
) -> None:
    """Rows of one transaction share a number, and rows of one statement may share a time."""
    reader = Reader(store)
    await reader.look()
    large = sorted(f"large-{number}" for number in range(2 * BATCH + 1))
    small = sorted(f"small-{number}" for number in range(BATCH // 2))
    await sql.execute(INSERT, large)
    for entry in small:
        await sql.execute(INSERT, [entry])
    assert await reader.look() == large + small
    assert await Reader(store).look() == large + small
    assert await reader.look() == []


class Interrupted(Database):
    """Another replica revokes something between two batches."""

    interruptions = 0

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows = await super().rows(statement, *arguments)
        if len(rows) == BATCH:
            self.interruptions += 1
            await super().rows(INSERT, [f"meanwhile-{self.interruptions}"])
        return rows


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_is_revoked_during_a_look_is_found_by_the_next_one_at_the_latest(
    database: Database, sql: Sql, is_first: bool
) -> None:
    interrupted = Interrupted(database.pool)
    reader = Reader(RevocationStore(interrupted))
    if not is_first:
        await reader.look()
    many = {f"many-{number}" for number in range(2 * BATCH)}
    await sql.execute(INSERT, list(many))
    found = {*await reader.look(), *await reader.look()}
    assert interrupted.interruptions >= 2
    assert found == many | {f"meanwhile-{number + 1}" for number in range(interrupted.interruptions)}


@pytest.mark.parametrize(
    "position", ["", "x", "a b c", " 1:1:", "1:1:", "{epoch} 1:1", "{epoch} 1:1:x", "{epoch}"]
)
async def test_everything_is_found_where_a_position_is_malformed_or_of_another_server(
    store: RevocationStore, sql: Sql, position: str
) -> None:
    await sql.execute(INSERT, ["a"])
    reader = Reader(store)
    await reader.look()
    assert reader.position is not None
    reader.position = position.format(epoch=reader.position.partition(" ")[0])
    assert (await reader.look(), reader.is_whole) == (["a"], True)


async def test_rows_of_the_release_before_are_found(store: RevocationStore, sql: Sql) -> None:
    """It names no column ``tx``. Rows that are older than the column have the number 0."""
    await sql.execute(
        "INSERT INTO revocations (id, expires_at, tx) VALUES ('old', now() + interval '1 min', '0')"
    )
    reader = Reader(store)
    assert await reader.look() == ["old"]
    await sql.execute("INSERT INTO revocations (id, expires_at) VALUES ('new', now() + interval '1 min')")
    assert await reader.look() == ["new"]


def test_each_statement_that_changes_a_revocation_sets_the_number_of_its_transaction() -> None:
    changes = [
        line.strip()
        for path in (ROOT / "app").rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"DO UPDATE SET expires_at|UPDATE revocations", line)
    ]
    assert len(changes) >= 3
    assert set(changes) == {
        "ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, tx = excluded.tx"
    }
