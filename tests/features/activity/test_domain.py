"""Which events an owner sees, and how they are divided into pages."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.domain.events import EventKind
from app.features.activity.domain import NEWEST, PAGE, SHOWN, OwnEvent, Position, page

HIDDEN = {
    EventKind.ACCOUNT_DELETED,
    EventKind.KEY_CREATED,
    EventKind.KEY_ROTATED,
    EventKind.KEY_DELETED,
    EventKind.KEY_RETIRED,
    EventKind.CLIENT_CREATED,
    EventKind.CLIENT_ROTATED,
    EventKind.CLIENT_SCOPES_CHANGED,
    EventKind.CLIENT_DELETED,
    EventKind.CLIENT_FAILED,
    EventKind.CLIENT_THROTTLED,
    EventKind.TOKEN_REVOKED,
}


def events(number: int) -> list[OwnEvent]:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    return [
        OwnEvent(Position(at, id), EventKind.LOGIN_SUCCEEDED, None, None, None, UUID(int=id))
        for id in range(number, 0, -1)
    ]


def test_every_kind_of_event_is_either_shown_or_hidden_on_purpose() -> None:
    assert set(SHOWN) | HIDDEN == set(EventKind)
    assert not set(SHOWN) & HIDDEN


@pytest.mark.parametrize(
    ("found", "shown", "is_last"), [(0, 0, True), (1, 1, True), (PAGE, PAGE, True), (PAGE + 1, PAGE, False)]
)
def test_a_page_is_the_last_one_unless_more_was_found_than_fits(
    found: int, shown: int, *, is_last: bool
) -> None:
    first = page(events(found))
    assert list(first.events) == events(found)[:shown]
    assert first.is_last is is_last


def test_a_page_holds_at_most_fifty_events() -> None:
    assert PAGE == 50


def test_the_newest_position_is_after_every_event() -> None:
    assert all(event.position < NEWEST for event in events(3))
