"""Events are never changed, and only those that are old enough are deleted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from app.dev import Servers
from app.domain.events import Actor, Event, EventFilter, EventKind
from app.domain.sessions import ReuseRevokes, SessionPolicy
from app.services.purge import Purge
from app.storage.postgres.database import open_database
from app.storage.postgres.events import EventStore
from app.storage.postgres.purges import deletion
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.sessions import SessionStore
from tests.support.database import Sql, connect
from tests.support.servers import database, migrate

DAY, BATCH, MANY = timedelta(days=1), 5000, 12_500
ADD = """
INSERT INTO events (kind, at) SELECT 'login.failed', now() - $2::interval FROM generate_series(1, $1::int)
"""
CHANGE = """
INSERT INTO events (id, kind) OVERRIDING SYSTEM VALUE SELECT id, 'x' FROM events LIMIT 1
ON CONFLICT (id) DO UPDATE SET kind = 'x'
"""


@pytest.fixture(scope="module")
async def url(servers: Servers) -> AsyncIterator[str]:
    """A database that holds the events of this module only."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate({"AUTH_DATABASE_URL": url})
        yield url


@pytest.fixture
async def own_sql(url: str) -> AsyncIterator[Sql]:
    connection = await connect(url)
    yield connection
    await connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
    await connection.execute("TRUNCATE events")
    await connection.execute("ALTER TABLE events ENABLE TRIGGER USER")
    await connection.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[EventStore]:
    database = open_database(url, pool_size=2)
    yield EventStore(database)
    await database.close()


async def count(sql: Sql) -> int:
    found = await sql.fetchval("SELECT count(*) FROM events")
    assert isinstance(found, int)
    return found


async def test_an_event_cannot_be_changed_or_truncated_or_deleted_within_a_day(own_sql: Sql) -> None:
    await own_sql.execute(ADD, 1, timedelta(hours=23, minutes=59))
    await own_sql.execute(ADD, 1, 2 * DAY)
    for statement in (
        "UPDATE events SET kind = 'login.succeeded'",
        "UPDATE events SET kind = kind WHERE false",
        CHANGE,
        "TRUNCATE events",
        "DELETE FROM events",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match="events are never changed"):
            await own_sql.execute(statement)
    # Only the database gives out ids.
    with pytest.raises(asyncpg.GeneratedAlwaysError):
        await own_sql.execute("INSERT INTO events (id, kind) VALUES (1, 'x')")
    assert await count(own_sql) == 2
    await own_sql.execute("DELETE FROM events WHERE at < now() - interval '1 day'")
    assert await count(own_sql) == 1


async def test_a_purge_deletes_events_over_the_given_age_in_batches_the_oldest_first(
    store: EventStore, own_sql: Sql
) -> None:
    await own_sql.execute(ADD, MANY, 10 * DAY)
    await own_sql.execute(ADD, BATCH, 20 * DAY)
    await own_sql.execute(ADD, 5, 9 * DAY)
    assert len(await store.database.rows(deletion("events", "at"), None, 10 * DAY)) == BATCH
    assert await own_sql.fetchval("SELECT min(at) > now() - interval '11 days' FROM events")
    assert [await store.purge(10 * DAY) for _ in range(2)] == [MANY, 0]
    assert await count(own_sql) == 5


async def test_the_purge_of_the_service_deletes_old_events_too(store: EventStore, own_sql: Sql) -> None:
    await own_sql.execute(ADD, BATCH + 1, 10 * DAY)
    await own_sql.execute(ADD, 2, 9 * DAY)
    policy = SessionPolicy(10 * DAY, DAY, timedelta(), ReuseRevokes.SESSION, 100)
    sessions, revocations = SessionStore(store.database, policy, DAY), RevocationStore(store.database)
    assert await Purge(sessions, revocations, store, 10 * DAY)() == BATCH + 1
    assert await count(own_sql) == 2


async def test_the_shortest_retention_is_within_the_rule_of_the_table(
    store: EventStore, own_sql: Sql
) -> None:
    await own_sql.execute(ADD, BATCH, DAY)
    await own_sql.execute(ADD, 1, DAY - timedelta(minutes=1))
    assert [await store.purge(DAY) for _ in range(2)] == [BATCH, 0]


async def test_an_event_of_another_release_is_read_as_it_is(store: EventStore, own_sql: Sql) -> None:
    await own_sql.execute("""INSERT INTO events (kind, details) VALUES ('passkey.used', '{"by": "x"}')""")
    (event,) = await store.newest(EventFilter(), 10)
    assert (event.kind, event.details) == ("passkey.used", {"by": "x"})


async def test_a_filter_finds_the_events_that_meet_every_condition_the_newest_last(
    store: EventStore, own_sql: Sql
) -> None:
    one, other = uuid4(), uuid4()
    before = await own_sql.fetchval("SELECT clock_timestamp()")
    for account_id in (one, other, None):
        for kind in (EventKind.LOGIN_FAILED, EventKind.LOGIN_SUCCEEDED, EventKind.SESSION_ENDED):
            await store.add(Event(kind, Actor.SERVICE, account_id=account_id))
    everything = await store.newest(EventFilter(), 100)
    assert [(event.account_id, event.kind) for event in everything[:3]] == [
        (one, "login.failed"),
        (one, "login.succeeded"),
        (one, "session.ended"),
    ]
    assert [event.id for event in everything] == sorted(event.id for event in everything)
    middle = everything[4].at
    failed = (EventKind.LOGIN_FAILED, EventKind.SESSION_ENDED)
    for wanted, expected in (
        (EventFilter(account_id=other), everything[3:6]),
        (EventFilter(kinds=(EventKind.SESSION_ENDED,)), everything[2::3]),
        (EventFilter(kinds=failed, account_id=one), [everything[0], everything[2]]),
        (EventFilter(since=middle), everything[4:]),
        (EventFilter(until=middle), everything[:4]),
        (EventFilter(since=middle, until=middle), []),
        (EventFilter(since=before, until=datetime.now(UTC) + DAY), everything),
        (EventFilter(account_id=uuid4()), []),
    ):
        assert await store.newest(wanted, 100) == expected
        assert (await store.since(before, DAY, wanted))[0] == expected
    assert await store.newest(EventFilter(), 2) == everything[-2:]
