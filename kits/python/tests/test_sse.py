"""Server-sent events, in pieces of any size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchword_verifier.errors import FetchError
from watchword_verifier.sse import MAX_EVENT, Event, EventParser

STREAM = (
    "retry: 2000\n\n"
    ": a comment\n\n"
    "id: e.1\nevent: ready\ndata: {}\n\n"
    'id: e.2\r\nevent: session-revoked\r\ndata: {"a":\r\ndata:1}\r\n\r\n'
    "id\revent:x\rdata\r\r"
    "event: without data\n\n"
    "data: \u00e9\nunknown: field\n\n"
    "data: not complete\n"
).encode()  # fmt: skip
EVENTS = [
    Event("ready", "{}"),
    Event("session-revoked", '{"a":\n1}'),
    Event("x", ""),
    Event("message", "\u00e9"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    parser, events = EventParser(), list[Event]()
    bounds = [0, *sorted(cuts), len(STREAM)]

    for start, end in pairwise(bounds):
        events += parser.feed(STREAM[start:end])

    assert events == EVENTS
    assert parser.retry == 2


def test_the_id_counts_once_its_event_is_complete() -> None:
    parser = EventParser()

    assert list(parser.feed(b"id: 7\ndata: x\n")) == []
    assert parser.last_id == ""
    assert list(parser.feed(b"\n")) == [Event("message", "x")]
    assert parser.last_id == "7"


@pytest.mark.parametrize("retry", ["x", "-1", "1.5", "\u0661", "99999999", ""])
def test_a_retry_that_is_no_number_is_ignored(retry: str) -> None:
    parser = EventParser()
    list(parser.feed(f"retry: {retry}\n\n".encode()))

    assert parser.retry is None


@pytest.mark.parametrize(
    "piece", [b"x" * (MAX_EVENT + 1), b"data: x\n" * (MAX_EVENT // 7 + 1), b"data: \xff\n\n"]
)
def test_a_stream_without_bounds_or_in_another_encoding_is_refused(piece: bytes) -> None:
    with pytest.raises(FetchError):
        list(EventParser().feed(piece))
