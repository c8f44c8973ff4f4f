"""Public ids of events: opaque, valid for one account only, and accepted while their secret is listed."""

import secrets
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.crypto.secrets import ServiceSecrets
from app.features.activity.crypto import EventIds
from app.features.activity.domain import NEWEST, Position

AT = datetime(2026, 11, 26, 20, 15, 30, 123_456, tzinfo=UTC)
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
IDS, OWNER = EventIds(ServiceSecrets([OLD])), uuid4()


@pytest.mark.parametrize(
    "position",
    [Position(AT, 1), Position(AT, 2**63 - 1), Position(datetime.min.replace(tzinfo=UTC), 7), NEWEST],
)
def test_an_id_opens_to_the_position_that_was_sealed(position: Position) -> None:
    (id,) = IDS.seal([position], OWNER)
    assert IDS.open(id, OWNER) == position
    assert len(id) == 48


def test_an_event_keeps_its_id_and_no_two_events_share_one() -> None:
    positions = [Position(AT, 1), Position(AT, 2), Position(AT + timedelta(microseconds=1), 1)]
    ids = IDS.seal(positions, OWNER)
    assert IDS.seal(positions, OWNER) == ids
    assert len(set(ids)) == 3


def test_the_id_of_another_account_is_not_opened() -> None:
    (id,) = IDS.seal([Position(AT, 1)], OWNER)
    assert IDS.open(id, uuid4()) is None


def test_an_id_does_not_reveal_the_number_of_the_event() -> None:
    number = 0x0123_4567_89AB_CDEF
    (id,) = IDS.seal([Position(AT, number)], OWNER)
    assert number.to_bytes(8) not in urlsafe_b64decode(id)


def test_an_id_is_opened_while_its_secret_is_listed() -> None:
    (id,) = IDS.seal([Position(AT, 1)], OWNER)
    assert EventIds(ServiceSecrets([NEW, OLD])).open(id, OWNER) == Position(AT, 1)
    assert EventIds(ServiceSecrets([NEW])).open(id, OWNER) is None


def test_garbage_and_every_changed_letter_are_refused() -> None:
    (id,) = IDS.seal([Position(AT, 1)], OWNER)
    for text in ("", "1", "A" * 48, id[:-1], id + "A", f"{id}\n", id.replace(id[0], "!", 1), "ä" * 48):
        assert IDS.open(text, OWNER) is None, text
    for place, letter in enumerate(id):
        other = "B" if letter == "A" else "A"
        assert IDS.open(id[:place] + other + id[place + 1 :], OWNER) is None, place
