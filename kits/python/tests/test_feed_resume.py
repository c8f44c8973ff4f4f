"""The feed after an interruption: from where it resumes, and what is logged."""

from collections.abc import Iterator

import pytest

from conformance.issuer import FEED, TOKEN, Issuer, status
from conformance.minting import Mint
from testing.clock import ManualClock, eventually
from testing.lists import Lists
from testing.stream import Stream, live, revoked
from testing.verdicts import Make, asked
from watchword_verifier import ClientCredentials, Verifier


@pytest.fixture
def stream(issuer: Issuer) -> Iterator[Stream]:
    stream = Stream(issuer)
    yield stream
    stream.end()


@pytest.fixture
def verifier(make: Make, stream: Stream) -> Verifier:
    return make(revocation="feed", client=ClientCredentials("orders", "x"))


def test_a_connection_that_ends_is_resumed_after_the_last_event_as_soon_as_the_issuer_allows(
    verifier: Verifier, mint: Mint, issuer: Issuer, stream: Stream, lists: Lists, clock: ManualClock
) -> None:
    live(verifier, stream)
    stream.send("retry: 2000\n\n")
    stream.event("session-revoked", revoked(mint, lists), 757)
    stream.end()
    eventually(lambda: verifier.health().feed_is_live is False and clock.waits(1, 2))
    clock.advance(2)
    eventually(lambda: asked(issuer, FEED, 2))

    assert issuer.last(FEED)["Last-Event-ID"] == "e.757"
    assert issuer.hits[TOKEN] == 1
    stream.event("ready", {}, 757)
    eventually(lambda: verifier.health().feed_is_live)


def test_a_token_that_will_soon_expire_is_replaced(
    verifier: Verifier, issuer: Issuer, stream: Stream, clock: ManualClock
) -> None:
    live(verifier, stream)
    clock.advance(870)
    stream.end()
    clock.advance_until(lambda: asked(issuer, FEED, 2))
    assert issuer.hits[TOKEN] == 2


def test_a_comment_with_an_id_counts_for_the_next_connection(
    verifier: Verifier, issuer: Issuer, stream: Stream, clock: ManualClock
) -> None:
    live(verifier, stream)
    stream.send(": waiting\nid: e.9\n\n")
    stream.end()
    eventually(lambda: verifier.health().feed_is_live is False)
    clock.advance_until(lambda: asked(issuer, FEED, 2))

    assert issuer.last(FEED)["Last-Event-ID"] == "e.9"


def test_a_connection_that_ends_with_its_token_is_no_interruption_and_an_outage_is(
    verifier: Verifier, issuer: Issuer, stream: Stream, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="watchword_verifier")

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if "feed" in record.getMessage()]

    live(verifier, stream)
    for connection in (2, 3):
        stream.end()
        stream.event("ready", {})
        clock.advance_until(lambda connection=connection: asked(issuer, FEED, connection))  # type: ignore[misc] # mypy and defaults
        eventually(lambda: verifier.health().feed_is_live)
    assert lines() == ["the revocation feed is live"]

    well = issuer.behaviours[FEED]
    issuer.behaviours[FEED] = status(503)
    stream.end()
    clock.advance_until(lambda: issuer.hits[FEED] >= 6)
    issuer.behaviours[FEED] = well
    stream.event("ready", {})
    clock.advance_until(lambda: verifier.health().feed_is_live)
    assert lines()[1:] == [
        "the revocation feed is interrupted, and the lists are read instead: the answer has status 503",
        "the revocation feed is live",
    ]
