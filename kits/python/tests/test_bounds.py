"""Memory is bounded, and what lies beyond a bound is made up for."""

import asyncio
import logging
from typing import Any

import pytest
from django.conf import settings

from conformance.issuer import FEED, KEYS, TOKEN, Issuer, body, hang, status
from conformance.minting import Mint, new_key
from testing.clock import ManualClock, eventually
from testing.frameworks import set_up_django
from testing.lists import PATH, Lists
from testing.stream import Stream, live
from testing.verdicts import Make, asked, reason
from watchword_verifier import ClientCredentials, ConfigurationError, Reason, Unavailable, Verifier
from watchword_verifier import django as for_django
from watchword_verifier.judge import Need

CLIENT = ClientCredentials("orders", "x")


def test_the_list_that_was_used_least_recently_makes_room_for_another(
    make: Make, mint: Mint, issuer: Issuer, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword_verifier.list_source.MAX_LISTS", 2)
    verifier = make(revocation="status-list")
    for number in (0, 1, 0, 2, 1):
        lists = Lists(issuer, clock, f"/status/{number}")
        lists.publish()
        clock.advance(0.1)
        assert reason(verifier, mint.claiming(status=lists.naming(0))) is None

    assert [issuer.hits[f"/status/{number}"] for number in (0, 1, 2)] == [1, 2, 1]


async def test_requests_share_the_fetch_of_a_list(
    make: Make, mint: Mint, issuer: Issuer, lists: Lists
) -> None:
    verifier = make(revocation="status-list")
    await verifier.verify(mint.token())
    tokens = [mint.claiming(status=lists.naming(index)) for index in range(20)]

    assert len(await asyncio.gather(*map(verifier.verify, tokens))) == 20
    assert issuer.hits[PATH] == 1


def test_a_list_by_a_key_that_cannot_be_fetched_is_not_believed(
    make: Make, mint: Mint, issuer: Issuer, lists: Lists, clock: ManualClock
) -> None:
    verifier = make(revocation="status-list")
    verifier.verify_sync(mint.token())
    issuer.behaviours[KEYS] = status(500)
    lists.key = new_key("two")
    lists.publish()
    clock.advance(30)

    assert reason(verifier, mint.claiming(status=lists.naming(0))) == 1
    assert issuer.hits[KEYS] == 2


def test_revocations_that_find_no_room_are_read_from_the_lists(
    make: Make, mint: Mint, issuer: Issuer, lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword_verifier.revocations.MAX_ENTRIES", 1)
    stream = Stream(issuer)
    verifier = make(revocation="feed", client=CLIENT)
    live(verifier, stream)
    token = mint.claiming(status=lists.naming(3))
    assert reason(verifier, token) is None
    stream.event("session-revoked", {"sid": "another", "exp": int(mint.now()) + 960})
    lists.revoke(3)
    stream.event("session-revoked", {"sid": mint.claims["sid"], "exp": int(mint.now()) + 960})

    eventually(lambda: reason(verifier, token) == Reason.REVOKED)
    assert reason(verifier, mint.token()) is None
    stream.end()


def test_a_retired_key_that_finds_no_room_is_refused_when_the_keys_are_fetched(
    make: Make, mint: Mint, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watchword_verifier.key_source._MAX_RETIRED", 0)
    stream = Stream(issuer)
    verifier = make(revocation="feed", client=CLIENT)
    live(verifier, stream)
    assert reason(verifier, mint.token()) is None
    issuer.keys = [new_key("two")]
    stream.event("key-retired", {"kid": "one"})

    eventually(lambda: reason(verifier, mint.token()) == Reason.UNKNOWN_KEY)
    stream.end()


def test_a_client_token_without_a_lifetime_is_used_for_half_a_minute(
    make: Make, issuer: Issuer, clock: ManualClock
) -> None:
    stream = Stream(issuer)
    issuer.behaviours[TOKEN] = body(b'{"access_token":"a.b.c","token_type":"bearer"}')
    verifier = make(revocation="feed", client=CLIENT)
    live(verifier, stream)
    for seconds, tokens, number in ((20, 1, 2), (10, 2, 3)):
        clock.advance(seconds)
        stream.end()
        clock.advance_until(lambda number=number: asked(issuer, FEED, number))  # type: ignore[misc] # mypy and defaults
        assert issuer.hits[TOKEN] == tokens
    stream.end()


def test_a_feed_that_does_not_answer_is_given_up_after_five_seconds(
    make: Make, issuer: Issuer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    Stream(issuer)
    issuer.behaviours[FEED] = hang
    make(revocation="feed", client=CLIENT).start()
    eventually(lambda: asked(issuer, FEED, 1))
    clock.advance(5)

    eventually(lambda: "the lists are read instead: there was no answer in time" in caplog.text)


def test_a_fault_of_the_verifier_itself_ends_one_connection_only(
    make: Make,
    issuer: Issuer,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("a fault")

    stream = Stream(issuer)
    verifier = make(revocation="feed", client=CLIENT)
    with monkeypatch.context() as patch:
        patch.setattr("watchword_verifier.feed.Feed._take", broken)
        stream.event("ready", {})
        verifier.start()
        eventually(lambda: "the feed ended" in caplog.text)
    stream.end()
    stream.event("ready", {})
    clock.advance_until(lambda: verifier.health().feed_is_live)
    assert caplog.records[-1].levelno <= logging.ERROR
    stream.end()


def test_a_token_that_always_needs_another_fetch_is_given_up(
    verifier: Verifier, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []

    async def fetch() -> None:
        fetched.append(1)

    monkeypatch.setattr("watchword_verifier.judge.Judge.judge", lambda *_: Need(fetch))

    with pytest.raises(Unavailable):
        verifier.verify_sync(mint.token())
    with pytest.raises(Unavailable):
        asyncio.run(verifier.verify(mint.token()))
    assert len(fetched) == 6


def test_the_verifier_of_a_django_project_comes_from_its_settings_or_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_django()
    own = make()
    for named, expected in ((own, own), (f"{__name__}.CLIENT", TypeError), (None, ConfigurationError)):
        monkeypatch.setattr(settings, "WATCHWORD_VERIFIER", named, raising=False)
        monkeypatch.delenv("WATCHWORD_ISSUER", raising=False)
        for_django.verifier.cache_clear()
        if isinstance(expected, Verifier):
            assert for_django.verifier() is own
        else:
            with pytest.raises(expected):
                for_django.verifier()
    for_django.verifier.cache_clear()
