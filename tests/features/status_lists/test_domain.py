"""The form of a status list, by the examples of draft-ietf-oauth-status-list."""

from datetime import UTC, datetime, timedelta

from app.domain.statuses import SIZE, Status, list_uri
from app.features.status_lists.domain import bits, claims, signed_at

ISSUER = "https://auth.example.com"


def test_bits_are_packed_as_in_the_example_of_section_4_1() -> None:
    statuses = (1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1)
    packed = bits(place for place, status in enumerate(statuses) if status)
    assert packed[:2] == bytes((0xB9, 0xA3))
    assert not any(packed[2:])


def test_the_last_place_of_a_list_has_its_bit() -> None:
    packed = bits([SIZE - 1])
    assert len(packed) * 8 == SIZE
    assert packed[-1] == 0x80


def test_a_number_is_a_list_and_a_place_in_it() -> None:
    assert Status.of(0) == (0, 0)
    assert Status.of(SIZE - 1) == (0, SIZE - 1)
    assert Status.of(3 * SIZE + 7) == (3, 7)


def test_a_list_says_where_it_is_published_and_how_long_it_holds() -> None:
    at = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    assert claims(ISSUER, 2, "eNo", at=at) == {
        "iss": ISSUER,
        "sub": f"{ISSUER}/status/2",
        "iat": int(at.timestamp()),
        "exp": int((at + timedelta(minutes=5)).timestamp()),
        "ttl": 5,
        "status_list": {"bits": 1, "lst": "eNo"},
    }
    assert list_uri(f"{ISSUER}/", 0) == list_uri(ISSUER, 0)


def test_lists_that_are_signed_in_one_minute_say_the_same_time() -> None:
    minute = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
    times = {signed_at(minute + timedelta(seconds=seconds)) for seconds in (0, 0.5, 59.9)}
    assert times == {minute}
    assert signed_at(minute + timedelta(minutes=1)) == minute + timedelta(minutes=1)
