"""The use case in this process: pages, public ids, and what it refuses."""

from collections.abc import AsyncIterator

import pytest

from app.domain.events import EventKind
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.features.activity.crypto import EventIds
from app.features.activity.domain import PAGE
from app.features.activity.services import Activity
from app.features.activity.storage import OwnEventStore
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in


@pytest.fixture
async def service(migrated: object, environment: dict[str, str]) -> AsyncIterator[Service]:
    async with inside(environment) as service:
        yield service


@pytest.fixture
def activity(service: Service) -> Activity:
    core = service.core
    return Activity(core.who_am_i, OwnEventStore(core.resources.database), EventIds(core.crypto.secrets))


async def test_the_newest_event_comes_first_and_the_own_session_is_marked(
    service: Service, activity: Activity, sql: Sql
) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    first, second = await sign_in(service, person), await sign_in(service, person)
    with pytest.raises(Refused):
        await service.use_cases.login(person.email, "wrong", ClientKind.NATIVE, Visitor("192.0.2.9", None))
    page = await activity(second.access_token.text, None)
    assert [(shown.event.kind, shown.event.address, shown.current) for shown in page.events] == [
        (EventKind.LOGIN_FAILED, "192.0.2.9", False),
        (EventKind.LOGIN_SUCCEEDED, "192.0.2.1", True),
        (EventKind.LOGIN_SUCCEEDED, "192.0.2.1", False),
    ]
    assert page.next is None
    assert [event.current for event in (await activity(first.access_token.text, None)).events] == [
        *(False, False, True)
    ]


async def test_a_page_of_fifty_names_the_next_one(service: Service, activity: Activity, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    token = (await sign_in(service, person)).access_token.text
    await sql.execute(
        "INSERT INTO events (kind, account_id) SELECT 'login.failed', $1 FROM generate_series(1, $2)",
        *(person.id, PAGE),
    )
    first = await activity(token, None)
    assert len(first.events) == PAGE
    assert first.next == first.events[-1].id
    last = await activity(token, first.next)
    assert [shown.event.kind for shown in last.events] == [EventKind.LOGIN_SUCCEEDED]
    assert last.next is None


async def test_an_id_of_no_own_event_is_refused(service: Service, activity: Activity, sql: Sql) -> None:
    one, other = [
        (await sign_in(service, await new_person(sql, password_hash=CHEAP_HASH))).access_token.text
        for _ in range(2)
    ]
    (theirs,) = (await activity(other, None)).events
    for before in (theirs.id, "garbage", ""):
        with pytest.raises(Refused) as refused:
            await activity(one, before)
        assert refused.value.refusal is Refusal.INVALID_REQUEST


async def test_the_token_is_looked_at_before_the_position(activity: Activity) -> None:
    with pytest.raises(Refused) as refused:
        await activity(PASSWORD, "garbage")
    assert refused.value.refusal is Refusal.INVALID_TOKEN
