"""The revocation feed: what it changes at once, and what happens when it is interrupted."""

from base64 import b64encode
from typing import Any

import pytest

from conformance.issuer import FEED, KEYS, TOKEN, Issuer, body, status
from conformance.minting import Mint, new_key
from testing.clock import ManualClock, eventually
from testing.lists import Lists
from testing.stream import Stream, live, revoked
from testing.verdicts import Make, asked, reason
from watchword_verifier import ClientCredentials, Reason, Verifier

SECRET = "wwc_a secret/with+signs"


@pytest.fixture
def stream(issuer: Issuer) -> Any:
    stream = Stream(issuer)
    yield stream
    stream.end()


@pytest.fixture
def verifier(make: Make, stream: Stream) -> Verifier:
    return make(revocation="feed", client=ClientCredentials("orders:1", SECRET))


def test_a_revocation_counts_as_soon_as_the_feed_tells_of_it(
    verifier: Verifier, mint: Mint, stream: Stream, lists: Lists
) -> None:
    live(verifier, stream)
    token = mint.claiming(status=lists.naming(3))
    other = mint.claiming(status=lists.naming(4), sid='"another"')
    assert (reason(verifier, token), reason(verifier, other)) == (None, None)

    stream.event("session-revoked", revoked(mint, lists))

    eventually(lambda: reason(verifier, token) == Reason.REVOKED)
    assert reason(verifier, other) is None


def test_a_token_of_the_session_without_status_is_refused_too(
    verifier: Verifier, mint: Mint, stream: Stream, lists: Lists
) -> None:
    live(verifier, stream)
    stream.event("session-revoked", revoked(mint, lists) | {"status": None})

    eventually(lambda: reason(verifier, mint.token()) == Reason.REVOKED)
    assert reason(verifier, mint.claiming(sid='"another"')) is None


def test_a_revocation_is_forgotten_when_all_tokens_have_expired(
    verifier: Verifier, mint: Mint, stream: Stream, lists: Lists, clock: ManualClock
) -> None:
    live(verifier, stream)
    stream.event("session-revoked", revoked(mint, lists) | {"status": None})
    eventually(lambda: reason(verifier, mint.token()) == Reason.REVOKED)

    clock.advance(959)
    assert reason(verifier, mint.token()) == Reason.REVOKED
    clock.advance(1)
    eventually(lambda: clock.waits(59, 60))
    clock.advance(60)
    eventually(lambda: reason(verifier, mint.token()) is None)


def test_a_retired_key_counts_no_more_at_once_also_while_a_cache_has_it(
    verifier: Verifier, mint: Mint, issuer: Issuer, stream: Stream
) -> None:
    live(verifier, stream)
    assert reason(verifier, mint.token()) is None
    issuer.keys.append(new_key("two"))

    stream.event("key-retired", {"kid": "one"})

    eventually(lambda: reason(verifier, mint.token()) == Reason.UNKNOWN_KEY)
    eventually(lambda: asked(issuer, KEYS, 2))


def test_reset_lets_the_lists_be_read_again(
    verifier: Verifier, mint: Mint, issuer: Issuer, stream: Stream, lists: Lists
) -> None:
    live(verifier, stream)
    token = mint.claiming(status=lists.naming(3))
    assert reason(verifier, token) is None
    lists.revoke(3)

    stream.event("reset", {})

    eventually(lambda: reason(verifier, token) == Reason.REVOKED)


def test_the_client_authenticates_as_the_rfc_says(verifier: Verifier, issuer: Issuer, stream: Stream) -> None:
    live(verifier, stream)

    pair = "orders%3A1:wwc_a+secret%2Fwith%2Bsigns"
    assert issuer.last(TOKEN)["Authorization"] == f"Basic {b64encode(pair.encode()).decode()}"
    form = next(form for path, _, form in issuer.requests if path == TOKEN)
    assert form == "grant_type=client_credentials&scope=revocations%3Aread"
    headers = issuer.last(FEED)
    assert (headers["Authorization"], headers["Accept"]) == ("Bearer a.b.c", "text/event-stream")
    assert "Last-Event-ID" not in headers


def test_attempts_become_rarer_while_the_feed_is_down_and_the_lists_count_meanwhile(
    verifier: Verifier, mint: Mint, issuer: Issuer, lists: Lists, clock: ManualClock
) -> None:
    issuer.behaviours[FEED] = status(503)
    verifier.start()
    token = mint.claiming(status=lists.naming(3))
    assert reason(verifier, token) is None
    for attempt in range(1, 6):
        eventually(lambda attempt=attempt: asked(issuer, FEED, attempt))  # type: ignore[misc] # mypy and defaults
        longest = min(60, 2 ** (attempt - 1))
        eventually(lambda longest=longest: clock.waits(longest / 2, longest))  # type: ignore[misc] # as above
        clock.advance(longest)
    lists.revoke(3)

    clock.advance_until(lambda: reason(verifier, token) == Reason.REVOKED)
    assert verifier.health().feed_is_live is False


def test_a_silent_connection_counts_as_dead(
    verifier: Verifier, issuer: Issuer, stream: Stream, clock: ManualClock
) -> None:
    live(verifier, stream)
    for _ in range(3):
        eventually(lambda: clock.waits(45, 45))
        clock.advance(40)
        stream.send(": comment\n\n")
    eventually(lambda: clock.waits(45, 45))
    assert verifier.health().feed_is_live

    clock.advance(45)

    eventually(lambda: verifier.health().feed_is_live is False)
    stream.end()


@pytest.mark.parametrize("code", [401, 403])
def test_a_token_that_the_feed_refuses_is_replaced(
    verifier: Verifier, issuer: Issuer, stream: Stream, clock: ManualClock, code: int
) -> None:
    well = issuer.behaviours[FEED]
    issuer.behaviours[FEED] = status(code)
    verifier.start()
    eventually(lambda: asked(issuer, FEED, 1) and clock.waits(0.5, 1))
    issuer.behaviours[FEED] = well
    stream.event("ready", {})
    clock.advance(1)
    eventually(lambda: verifier.health().feed_is_live)

    assert issuer.hits[TOKEN] == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"access_token":7,"token_type":"Bearer"}',
        b'{"access_token":"x","token_type":"mac"}',
        b'{"access_token":"x y","token_type":"Bearer"}',
        b'{"access_token":"x\\r\\ny","token_type":"Bearer"}',
        b'{"access_token":"\xc3\xa9","token_type":"Bearer"}',
    ],
)
def test_an_answer_without_a_bearer_token_opens_no_feed(
    verifier: Verifier, issuer: Issuer, clock: ManualClock, answer: bytes
) -> None:
    issuer.behaviours[TOKEN] = body(answer)
    verifier.start()
    eventually(lambda: asked(issuer, TOKEN, 1) and clock.waits(0.5, 1))

    assert issuer.hits[FEED] == 0


@pytest.mark.parametrize("data", ["{", "[]", "7", '{"sid":' + "[" * 3000])
def test_a_malformed_event_is_skipped_and_the_lists_are_read_instead(
    verifier: Verifier, mint: Mint, issuer: Issuer, stream: Stream, lists: Lists, data: str
) -> None:
    live(verifier, stream)
    token = mint.claiming(status=lists.naming(3))
    assert reason(verifier, token) is None
    lists.revoke(3)

    stream.send(f"event: session-revoked\ndata: {data}\n\n")

    eventually(lambda: reason(verifier, token) == Reason.REVOKED)
    assert verifier.health().feed_is_live


def test_an_answer_that_is_no_event_stream_is_not_read(
    verifier: Verifier, issuer: Issuer, stream: Stream, clock: ManualClock
) -> None:
    issuer.behaviours[FEED] = body(b"event: ready\ndata: {}\n\n")
    verifier.start()
    eventually(lambda: asked(issuer, FEED, 1) and clock.waits(0.5, 1))

    assert verifier.health().feed_is_live is False


def test_an_unknown_event_means_nothing(verifier: Verifier, mint: Mint, stream: Stream, lists: Lists) -> None:
    live(verifier, stream)
    stream.event("of-a-later-release", {"x": 1})
    stream.event("key-retired", {"kid": 7})
    stream.event("session-revoked", revoked(mint, lists))

    eventually(lambda: reason(verifier, mint.token()) == Reason.REVOKED)
