"""Following events yields each one once, even one that is committed after a later one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.domain.events import EventFilter
from app.domain.refusals import Refusal, Refused
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.people import Person

NOW, LONG_AGO = timedelta(0), timedelta(hours=1)
ADD = """
INSERT INTO events (kind, account_id, at) VALUES ('login.failed', $1, clock_timestamp() - $2::interval)
RETURNING id
"""
Step = Callable[[], Awaitable[None]]


class Enough(Exception):
    """Ends ``follow`` during a pause, as Ctrl-C does."""


async def follow_ids(service: Service, account_id: UUID, *pauses: Step) -> list[int]:
    """The ids of an account's events that ``follow`` yields, while each pause runs one of the steps."""
    steps, ids = list(pauses), list[int]()

    async def pause() -> None:
        if not steps:
            raise Enough
        await steps.pop(0)()

    with suppress(Enough):
        async for event in service.events.follow(EventFilter(account_id), pause):
            ids.append(event.id)
    return ids


@pytest.fixture
def account_id() -> UUID:
    """The id of an account that need not exist, since events outlive accounts."""
    return uuid4()


@pytest.fixture
async def late(migrated: object, environment: dict[str, str]) -> AsyncIterator[Sql]:
    """A second connection, for a transaction that commits late."""
    connection = await connect(environment["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


async def test_follow_yields_the_last_ten_events_and_then_each_new_one_once(
    parts: Service, sql: Sql, account_id: UUID
) -> None:
    ids = [await sql.fetchval(ADD, account_id, LONG_AGO) for _ in range(3)]
    ids += [await sql.fetchval(ADD, account_id, NOW) for _ in range(12)]

    async def two_more() -> None:
        await sql.execute(ADD, uuid4(), NOW)
        ids.extend([await sql.fetchval(ADD, account_id, NOW) for _ in range(2)])

    async def nothing() -> None:
        pass

    yielded = await follow_ids(parts, account_id, nothing, two_more, nothing, two_more, nothing)
    assert yielded == ids[5:]
    assert len(yielded) == 14


async def test_follow_yields_an_event_that_is_committed_after_a_later_one(
    parts: Service, sql: Sql, late: Sql, account_id: UUID
) -> None:
    transaction = late.transaction()
    await transaction.start()
    early = await late.fetchval(ADD, account_id, NOW)
    before = await sql.fetchval(ADD, account_id, NOW)
    ids = [before]

    async def later() -> None:
        ids.append(await sql.fetchval(ADD, account_id, NOW))

    async def commit() -> None:
        await transaction.commit()
        ids.append(early)

    assert await follow_ids(parts, account_id, later, commit, later) == ids
    assert len(ids) == 4
    assert early < before


async def test_events_since_the_last_successful_query_are_not_lost(
    parts: Service, sql: Sql, account_id: UUID
) -> None:
    store, ids = parts.events.events, list[int]()
    since = store.since

    async def an_hour_later() -> None:
        """Let the last query have been an hour ago."""

        async def long_ago(moment: object, *arguments: object) -> object:
            store.since = since  # type: ignore[method-assign]
            shifted = await sql.fetchval("SELECT $1::timestamptz - interval '1 hour'", moment)
            return await since(shifted, *arguments)  # type: ignore[arg-type]

        store.since = long_ago  # type: ignore[method-assign, assignment]
        ids.append(await sql.fetchval(ADD, account_id, LONG_AGO / 2))

    assert await follow_ids(parts, account_id, an_hour_later) == ids
    assert len(ids) == 1


async def test_follow_survives_an_outage_of_postgres_and_loses_no_event(
    parts: Service, sql: Sql, account_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids: list[int] = []
    look = parts.events.events.since

    async def unanswered(*_: object) -> None:
        raise Refused(Refusal.UNAVAILABLE)

    async def goes_away() -> None:
        monkeypatch.setattr(parts.events.events, "since", unanswered)
        ids.append(await sql.fetchval(ADD, account_id, NOW))

    async def comes_back() -> None:
        monkeypatch.setattr(parts.events.events, "since", look)

    assert await follow_ids(parts, account_id, goes_away, comes_back) == ids
    assert len(ids) == 1


async def test_follow_ends_when_no_further_event_can_match(
    parts: Service, sql: Sql, account_id: UUID
) -> None:
    event_id = await sql.fetchval(ADD, account_id, LONG_AGO)
    moment = await sql.fetchval("SELECT clock_timestamp()")

    async def pause() -> None:
        raise Enough

    over = EventFilter(account_id, until=moment - LONG_AGO / 2)
    assert [event.id async for event in parts.events.follow(over, pause)] == [event_id]
    not_over = parts.events.follow(EventFilter(account_id, until=moment + LONG_AGO), pause)
    assert (await anext(not_over)).id == event_id
    with pytest.raises(Enough):
        await anext(not_over)


async def test_an_account_is_named_by_its_address_or_by_its_id_even_when_it_is_deleted(
    parts: Service, person: Person, account_id: UUID
) -> None:
    assert await parts.events.account(f" {person.email.upper()}") == person.id
    assert await parts.events.account(str(account_id)) == account_id
    with pytest.raises(Refused) as unknown:
        await parts.events.account("nobody@example.com")
    assert unknown.value.refusal is Refusal.ACCOUNT_UNKNOWN
    assert await parts.events.newest(EventFilter(account_id), 1) == []
