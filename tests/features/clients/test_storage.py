"""Assertions are kept until they expire and no longer, and statements read one row by an index."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from os import urandom
from uuid import uuid4

import pytest

from app.dev import Servers
from app.domain.events import EventKind, by_operator
from app.features.clients.crypto import digest
from app.features.clients.storage.clients import ClientStore
from app.features.clients.storage.tokens import USE, TokenRevocations, UsedAssertions
from app.storage.postgres.database import Database, open_database
from tests.support.clients import new_client
from tests.support.database import Sql
from tests.support.plans import explain, indexes, read_whole

TTL = timedelta(minutes=16)


@pytest.fixture
async def database(migrated: Servers, environment: dict[str, str]) -> AsyncIterator[Database]:
    database = open_database(environment["AUTH_DATABASE_URL"], pool_size=1)
    yield database
    await database.close()


async def fill(sql: Sql, rows: int, ago: timedelta) -> None:
    """So many assertions that expired that long ago."""
    await sql.execute(
        "INSERT INTO client_assertions (id, expires_at) "
        "SELECT sha256((random() || number::text)::bytea), now() - $2::interval "
        "FROM generate_series(1, $1) AS number",
        *(rows, ago),
    )


async def test_an_assertion_is_used_once_and_each_use_deletes_two_that_expired(
    database: Database, sql: Sql
) -> None:
    await sql.execute("TRUNCATE client_assertions")
    await fill(sql, 3, timedelta(minutes=1))
    assertions, later = UsedAssertions(database), datetime.now(UTC) + timedelta(minutes=5)
    first, second = urandom(32), urandom(32)
    left = []
    for assertion in (first, first, second):
        is_new = await assertions.use(assertion, later)
        left.append((is_new, await sql.fetchval("SELECT count(*) FROM client_assertions")))
    assert left == [(True, 2), (False, 1), (True, 2)]


async def test_a_row_that_another_use_deletes_is_skipped(database: Database, sql: Sql) -> None:
    await sql.execute("TRUNCATE client_assertions")
    await fill(sql, 1, timedelta(minutes=1))
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM client_assertions FOR UPDATE")
        assert await UsedAssertions(database).use(urandom(32), datetime.now(UTC) + timedelta(minutes=5))
    assert await sql.fetchval("SELECT count(*) FROM client_assertions") == 2


@pytest.mark.parametrize("generic", [True, False])
async def test_a_use_reads_no_more_than_it_deletes(sql: Sql, generic: bool) -> None:
    many = sql.transaction()
    await many.start()
    await fill(sql, 20_000, -timedelta(hours=1))
    await sql.execute("ANALYZE client_assertions")
    plan = await explain(sql, USE, urandom(32), datetime.now(UTC), generic=generic)
    await many.rollback()
    assert not read_whole(plan)
    assert {"client_assertions_expires_at_idx", "client_assertions_pkey"} <= indexes(plan)


async def test_a_token_is_revoked_once_with_its_event(database: Database, sql: Sql) -> None:
    revocations, token_id = TokenRevocations(database, TTL), uuid4().hex
    event = by_operator(EventKind.TOKEN_REVOKED)
    for _ in range(2):
        await revocations.add(token_id, event)
    events = "SELECT count(*) FROM events WHERE details->>'jti' = $1"
    assert await sql.fetchval(events, token_id) == 1
    left = await sql.fetchval("SELECT expires_at - now() FROM revocations WHERE id = $1", token_id)
    assert TTL - timedelta(minutes=1) < left <= TTL


async def test_a_deletion_that_revokes_again_is_news_for_those_who_follow(
    database: Database, sql: Sql
) -> None:
    """An entry that is written again has the number of the new transaction."""
    client = await new_client(sql, "a")
    await sql.execute("INSERT INTO revocations (id, expires_at) VALUES ($1, now())", str(client.id))
    before = await sql.fetchval("SELECT tx::text FROM revocations WHERE id = $1", str(client.id))
    assert await ClientStore(database, TTL).delete(client.id, by_operator(EventKind.CLIENT_DELETED))
    row = await sql.fetchrow(
        "SELECT tx::text, expires_at > now() AS lives FROM revocations WHERE id = $1", str(client.id)
    )
    assert row is not None
    assert row["lives"]
    assert row["tx"] != before


async def test_a_use_is_noted_for_a_secret_of_the_client_only(database: Database, sql: Sql) -> None:
    client, store = await new_client(sql, "a"), ClientStore(database, TTL)
    await store.note_use(client.id, urandom(32))
    found = await store.by_id(client.id)
    assert found is not None
    assert [secret.used_at for secret in found.secrets] == [None]
    await store.note_use(client.id, digest(client.secret))
    found = await store.by_name(client.name)
    assert found is not None
    assert found.secrets[0].used_at is not None
    assert await store.by_id(uuid4()) is None


async def test_the_table_has_room_for_an_identity_of_the_platform(sql: Sql) -> None:
    """An issuer and a subject, both or neither, in place of a secret."""
    insert = "INSERT INTO service_clients (id, name, trusted_issuer, trusted_subject) VALUES ($1, $2, $3, $4)"
    await sql.execute(insert, uuid4(), uuid4().hex, "https://cluster.example", "system:serviceaccount:a:b")
    with pytest.raises(Exception, match="service_clients_trusted_check"):
        await sql.execute(insert, uuid4(), uuid4().hex, "https://cluster.example", None)
