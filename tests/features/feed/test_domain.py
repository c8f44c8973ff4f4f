"""The events as they are sent, and the ids from which listeners resume."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.domain.revocations import Kind, Revocation
from app.features.feed.domain import (
    LONGEST_ID,
    Message,
    Place,
    comment,
    event,
    event_id,
    events,
    messages,
    parse_id,
)

pytestmark = pytest.mark.requirement("L3")

EPOCH = "7429381920012345678/1/16412/1790000000.123456/1789990000.5"
NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
START = event_id(f"{EPOCH} 757:757:", NOW).partition("-")[0]
SUBJECT = UUID("0b8f5a1e-3f4e-4d3c-9a51-6b0c8a3f2d10")
ISSUER = "https://auth.example.com"


def revocation(kind: Kind | None, *, status: int | None = None, reason: str | None = None) -> Revocation:
    expires_at = NOW + timedelta(minutes=16, milliseconds=1)
    subject = SUBJECT if kind is Kind.SESSION else None
    return Revocation(timedelta(minutes=16), expires_at, kind, subject, status, reason)


def test_a_session_that_ended_is_an_event_as_the_contract_has_it() -> None:
    number = (3 << 20) + 734003
    (message,) = messages({"s1": revocation(Kind.SESSION, status=number, reason="logout")}, ISSUER)
    assert event(message, "7f3a1c9e.757") == (
        "id: 7f3a1c9e.757\n"
        "event: session-revoked\n"
        f'data: {{"sid":"s1","sub":"{SUBJECT}","status":{{"idx":734003,"uri":"{ISSUER}/status/3"}},'
        f'"exp":{SECONDS + 961},"reason":"logout"}}\n'
        "\n"
    )


@pytest.mark.parametrize(("status", "issuer"), [(None, ISSUER), (5, None)])
def test_a_session_without_a_place_in_a_list_names_none(status: int | None, issuer: str | None) -> None:
    (message,) = messages({"s1": revocation(Kind.SESSION, status=status, reason="logout")}, issuer)
    assert message.data.keys() == {"sid", "sub", "exp", "reason"}


def test_a_retired_key_is_named_and_tokens_and_clients_are_not() -> None:
    revoked = {
        "t1": revocation(Kind.TOKEN),
        "k1": revocation(Kind.KEY),
        "c1": revocation(Kind.CLIENT),
    }
    assert list(messages(revoked, ISSUER)) == [Message("key-retired", {"kid": "k1"})]


def test_revocations_of_the_release_before_are_one_reset_after_all_others() -> None:
    revoked = {"x": revocation(None), "k1": revocation(Kind.KEY), "y": revocation(None)}
    assert [message.name for message in messages(revoked, ISSUER)] == ["key-retired", "reset"]


def test_only_the_last_of_several_events_has_the_id() -> None:
    told = [Message("key-retired", {"kid": "a"}), Message("key-retired", {"kid": "b"})]
    assert events(told, "e.1") == (
        'event: key-retired\ndata: {"kid":"a"}\n\nid: e.1\nevent: key-retired\ndata: {"kid":"b"}\n\n'
    )
    assert "id:" not in events(told, None)


def test_a_comment_carries_an_id_and_no_event() -> None:
    assert comment("e.1") == ": waiting\nid: e.1\n\n"


SNAPSHOTS = ["757:757:", "757:760:757", "757:800:757,758,799", f"{2**40}:{2**40 + 5}:{2**40 + 2}"]


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_an_id_is_one_word_and_leads_back_to_its_position(snapshot: str) -> None:
    position = f"{EPOCH} {snapshot}"
    text = event_id(position, NOW)
    assert set(text) <= set("0123456789abcdef.-_")
    place = parse_id(text)
    assert place is not None
    assert place.position(position) == position
    assert place.position(f"{EPOCH} 900:900:") == position


def test_an_id_of_another_run_of_the_database_leads_nowhere() -> None:
    place = parse_id(event_id(f"{EPOCH} 757:757:", NOW))
    assert place is not None
    assert place.position(f"{EPOCH}9 757:757:") is None


def test_with_too_many_open_transactions_an_id_names_the_oldest_of_them() -> None:
    chance = random.Random("ids")
    open_ones = sorted(chance.sample(range(10**9, 10**9 + 10**6), 500))
    snapshot = f"{open_ones[0]}:{10**9 + 10**6}:{','.join(map(str, open_ones))}"
    text = event_id(f"{EPOCH} {snapshot}", NOW)
    assert len(text) <= LONGEST_ID
    place = parse_id(text)
    assert place is not None
    assert place.snapshot == f"{open_ones[0]}:{open_ones[0]}:"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7f3a1c9e.757",
        f"{START}",
        f"{START}-",
        f"{START}-0_5_",
        f"{START}-9_5_",
        f"{START}-5_9_4",
        f"{START}-5_9_9",
        f"{START}-5_9_7-6",
        f"{START}-5_9_6-6",
        f"{START}-5_9_6-",
        f"{START}-5_{2**63}_",
        f"{START}-5_9_6 ",
        f"{START}-\u0665_9_",
        f"{START.upper()}-5_9_",
        f"{START}-5_9_" + "-".join(map(str, range(5, 500))),
        f"{START}-5_9_\n",
    ],
    ids=repr,
)
def test_a_text_that_postgres_would_not_take_is_no_id(text: str) -> None:
    assert parse_id(text) is None


def test_a_place_is_too_old_once_revocations_after_it_may_be_deleted() -> None:
    place, kept = Place("e", SECONDS, "5:5:"), timedelta(minutes=16)
    assert not place.is_older_than(kept, now=NOW + kept)
    assert place.is_older_than(kept, now=NOW + kept + timedelta(seconds=1))
