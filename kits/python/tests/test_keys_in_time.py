"""Keys through time: outages, rotation, storms, and starts without a network."""

import asyncio
from functools import partial

import pytest

from conformance.issuer import KEYS, METADATA, Issuer, hang, status
from conformance.minting import Mint, new_key
from testing.clock import ManualClock, eventually
from testing.verdicts import Make, asked, reason
from watchword_verifier import InvalidToken, Reason, Unavailable, Verifier

DAY = 24 * 3600


def unknown(mint: Mint, number: int = 0) -> str:
    return mint.headed(kid=f'"unknown-{number}"')


async def test_coroutines_and_threads_get_the_same_identity(verifier: Verifier, mint: Mint) -> None:
    token = mint.token()

    identity = await verifier.verify(token)

    assert identity == await asyncio.to_thread(verifier.verify_sync, token)
    assert (identity.subject, identity.roles) == (mint.claims["sub"], ("admin", "editor"))


def test_keys_are_fetched_once_and_again_when_they_are_no_longer_fresh(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    for _ in range(3):
        verifier.verify_sync(mint.token())
    assert issuer.hits[KEYS] == 1
    eventually(lambda: clock.waits(270, 300))
    clock.advance(300)
    eventually(lambda: issuer.hits[KEYS] == 2)


def test_a_key_set_that_has_not_changed_is_not_sent_again(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.behaviours[KEYS] = lambda request: request.reply(issuer.key_set(), ETag='"1"')
    eventually(lambda: clock.waits(270, 300))
    clock.advance(300)
    eventually(lambda: issuer.hits[KEYS] == 2 and clock.waits(270, 300))
    issuer.behaviours[KEYS] = status(304)
    clock.advance(300)
    eventually(lambda: issuer.hits[KEYS] == 3 and clock.waits(270, 300))

    assert issuer.last(KEYS)["If-None-Match"] == '"1"'
    assert verifier.health().keys_error is None
    assert reason(verifier, mint.token()) is None


def test_a_key_that_was_added_is_found_at_its_first_token(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.keys.append(new_key("two"))
    clock.advance(30)

    new = Mint(mint.issuer, mint.audience, new_key("two"), clock.wall)

    assert reason(verifier, new.token()) is None
    assert reason(verifier, mint.token()) is None
    assert issuer.hits[KEYS] == 2


def test_a_key_that_was_retired_is_refused_when_the_set_is_fetched_again(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.keys = [new_key("two")]
    eventually(lambda: clock.waits(270, 300))
    clock.advance(300)
    eventually(lambda: issuer.hits[KEYS] == 2 and clock.waits(270, 300))

    assert reason(verifier, mint.token()) == Reason.UNKNOWN_KEY


def test_a_storm_of_unknown_kids_causes_one_fetch_in_thirty_seconds(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())

    assert {reason(verifier, unknown(mint, number)) for number in range(5000)} == {Reason.UNKNOWN_KEY}
    assert issuer.hits[KEYS] == 1
    clock.advance(30)
    assert {reason(verifier, unknown(mint, number)) for number in range(5000)} == {Reason.UNKNOWN_KEY}
    assert issuer.hits[KEYS] == 2
    clock.advance(29.9)
    assert reason(verifier, unknown(mint)) == Reason.UNKNOWN_KEY
    assert issuer.hits[KEYS] == 2
    assert reason(verifier, mint.token()) is None


async def test_a_parallel_storm_at_a_cold_start_causes_one_fetch(
    verifier: Verifier, mint: Mint, issuer: Issuer
) -> None:
    tokens = [unknown(mint, number) for number in range(10_000)]

    answers = await asyncio.gather(*map(verifier.verify, tokens), return_exceptions=True)

    # Those that found no room to wait were told to try again.
    assert {type(answer) for answer in answers} <= {InvalidToken, Unavailable}
    assert sum(isinstance(answer, InvalidToken) for answer in answers) >= 64
    assert issuer.hits[KEYS] == 1


def test_the_keys_are_used_for_a_day_while_the_issuer_is_down(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.stop()

    clock.advance(DAY - 1)
    assert reason(verifier, mint.token()) is None
    clock.advance(1)
    eventually(lambda: verifier.health().keys_error)
    assert isinstance(reason(verifier, mint.token()), int)

    eventually(lambda: clock.waits(0.5, 2))
    issuer.start()
    clock.advance(2)
    eventually(lambda: verifier.health().keys_error is None)
    assert reason(verifier, mint.token()) is None


def test_an_unknown_kid_is_not_refused_while_the_issuer_cannot_be_asked(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.stop()
    clock.advance(30)

    assert reason(verifier, unknown(mint)) == 30
    clock.advance(10)
    assert reason(verifier, unknown(mint)) == 20
    assert reason(verifier, mint.token()) is None


def test_a_start_without_a_network_succeeds_and_recovers_by_itself(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    issuer.stop()
    verifier.start()
    assert reason(verifier, mint.token()) == 1
    assert (verifier.health().has_keys, verifier.health().keys_age) == (False, None)

    issuer.start()
    eventually(lambda: clock.waits(0.5, 1))
    clock.advance(1)
    eventually(lambda: verifier.health().has_keys)

    assert reason(verifier, mint.token()) is None
    assert verifier.health().keys_age == 0


def test_attempts_become_rarer_while_the_issuer_is_down(
    verifier: Verifier, issuer: Issuer, clock: ManualClock
) -> None:
    issuer.behaviours[METADATA] = status(500)
    verifier.start()
    for attempt, longest in enumerate([1, 2, 4, 8, 16, 30, 30], start=1):
        eventually(partial(asked, issuer, METADATA, attempt))
        eventually(partial(clock.waits, longest / 2, longest))
        clock.advance(longest)


@pytest.mark.parametrize("path", [METADATA, KEYS])
async def test_a_request_does_not_wait_longer_than_the_patience_and_blocks_no_loop(
    make: Make, mint: Mint, issuer: Issuer, clock: ManualClock, path: str
) -> None:
    issuer.behaviours[path] = hang
    verifier = make(patience=3)
    asked = asyncio.create_task(verifier.verify(mint.token()))
    while not issuer.hits[path]:  # noqa: ASYNC110 - this loop runs on while the fetch hangs
        await asyncio.sleep(0.001)
    await asyncio.to_thread(eventually, lambda: clock.waits(3, 3))
    assert not asked.done()

    clock.advance(3)

    with pytest.raises(Unavailable):
        await asked
    # The fetch has a deadline of its own.
    del issuer.behaviours[path]
    clock.advance(2)
    await asyncio.to_thread(eventually, lambda: verifier.health().keys_error)
    assert verifier.health().keys_error == "there was no answer in time"


async def test_threads_wait_for_the_same_fetch(make: Make, mint: Mint, issuer: Issuer) -> None:
    verifier, tokens = make(), [mint.token() for _ in range(16)]

    found = await asyncio.gather(*(asyncio.to_thread(verifier.verify_sync, token) for token in tokens))

    assert len(set(found)) == 1
    assert (issuer.hits[METADATA], issuer.hits[KEYS]) == (1, 1)
