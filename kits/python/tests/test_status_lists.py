"""Status lists: bits, signatures, times, and what happens while they cannot be fetched."""

import zlib
from threading import Thread
from typing import Any

import pytest

from conformance.issuer import KEYS, LISTS, METADATA, Issuer, body, hang, status
from conformance.minting import Mint, b64, new_key
from testing.clock import ManualClock, eventually
from testing.lists import PATH, Lists, polled
from testing.verdicts import Make, asked, reason
from watchword_verifier import Reason, Verifier


@pytest.fixture
def verifier(make: Make) -> Verifier:
    return make(revocation="status-list")


@pytest.mark.parametrize("index", [0, 1, 7, 8, 63])
def test_a_revoked_token_is_refused_and_its_neighbours_are_not(
    verifier: Verifier, mint: Mint, lists: Lists, index: int
) -> None:
    lists.revoke(index)

    for other in range(64):
        expected = Reason.REVOKED if other == index else None
        assert reason(verifier, mint.claiming(status=lists.naming(other))) == expected


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_any_status_but_zero_is_refused_in_lists_of_more_bits(
    verifier: Verifier, mint: Mint, lists: Lists, bits: int
) -> None:
    # The second token has status 1, the last of the first byte the highest status.
    last = 8 // bits - 1
    data = bytes([1 << bits, 0] if bits < 8 else [0, 1])
    data = bytes([data[0] | ((1 << bits) - 1) << (last * bits), data[1]]) if bits == 2 else data
    lists.publish(lists.signed(status_list={"bits": bits, "lst": b64(zlib.compress(data))}))

    assert reason(verifier, mint.claiming(status=lists.naming(0))) is None
    assert reason(verifier, mint.claiming(status=lists.naming(1))) == Reason.REVOKED
    if bits == 2:
        assert reason(verifier, mint.claiming(status=lists.naming(2))) is None
        assert reason(verifier, mint.claiming(status=lists.naming(3))) == Reason.REVOKED
    assert reason(verifier, mint.claiming(status=lists.naming(16 // bits))) == Reason.STATUS


def test_an_index_out_of_range_is_refused(verifier: Verifier, mint: Mint, lists: Lists) -> None:
    assert reason(verifier, mint.claiming(status=lists.naming(63))) is None
    assert reason(verifier, mint.claiming(status=lists.naming(64))) == Reason.STATUS


@pytest.mark.parametrize(
    "uri",
    [
        "https://lists.example.com/status/0",
        "http://localhost:1/status/0",
        "http://127.0.0.1:1/status/0",
        "ftp://127.0.0.1/status/0",
        "not an address",
    ],
)
def test_a_list_of_another_origin_is_not_asked(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, uri: str
) -> None:
    assert reason(verifier, mint.claiming(status=lists.naming(0, uri))) == Reason.STATUS
    assert issuer.hits[PATH] == 0


def test_a_forged_token_cannot_let_a_list_be_fetched(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer
) -> None:
    token = mint.claiming(status=lists.naming(0))

    assert reason(verifier, token[:-4] + "AAAA") == Reason.SIGNATURE
    assert issuer.hits[PATH] == 0


def test_a_revocation_counts_after_the_ttl_without_a_fetch_for_each_request(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    token = mint.claiming(status=lists.naming(9))
    assert [reason(verifier, token) for _ in range(5)] == [None] * 5
    assert issuer.hits[PATH] == 1

    lists.revoke(9)
    polled(issuer, clock)

    assert reason(verifier, token) == Reason.REVOKED


def test_a_list_that_has_not_changed_is_not_sent_again(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    reason(verifier, mint.claiming(status=lists.naming(0)))
    polled(issuer, clock)

    assert issuer.last(PATH)["If-None-Match"] == '"1"'
    assert reason(verifier, mint.claiming(status=lists.naming(0))) is None


@pytest.mark.parametrize("seconds", [5, 0])
def test_an_older_copy_does_not_undo_a_revocation(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock, seconds: int
) -> None:
    """Nor does one that was signed in the same second, of which no one can tell whether it is older."""
    lists.revoke(4)
    old = lists.signed()
    clock.advance(seconds)
    lists.revoke(3)
    assert reason(verifier, mint.claiming(status=lists.naming(3))) == Reason.REVOKED

    lists.publish(old)
    polled(issuer, clock)

    for index, expected in ((3, Reason.REVOKED), (4, Reason.REVOKED), (5, None)):
        assert reason(verifier, mint.claiming(status=lists.naming(index))) == expected


def test_a_list_signed_with_a_new_key_is_believed_once_the_key_is_fetched(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.keys.append(new_key("two"))
    lists.key = new_key("two")
    lists.publish()
    clock.advance(30)

    assert reason(verifier, mint.claiming(status=lists.naming(0))) is None
    assert issuer.hits[KEYS] == 2


def test_a_list_without_exp_counts_for_five_minutes(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    lists.publish(lists.signed(exp=None, iss=None, ttl=None))
    token = mint.claiming(status=lists.naming(0))
    assert reason(verifier, token) is None
    issuer.behaviours[PATH] = status(404)
    clock.advance(299)
    assert reason(verifier, token) is None
    clock.advance(1)
    assert reason(verifier, token) == 1


def test_the_lists_that_the_issuer_names_are_fetched_before_a_token_names_them(
    verifier: Verifier, lists: Lists, issuer: Issuer
) -> None:
    issuer.lists = ["https://other.example.com/status/0", lists.uri]
    verifier.start()

    eventually(lambda: asked(issuer, PATH, 1))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"status_lists":7}', b"[" * 60_000])
def test_an_answer_that_names_no_lists_is_asked_for_again(
    verifier: Verifier, lists: Lists, issuer: Issuer, clock: ManualClock, content: bytes
) -> None:
    issuer.behaviours[LISTS] = body(content)
    verifier.start()
    eventually(lambda: asked(issuer, LISTS, 1) and clock.waits(2, 2))
    issuer.lists = [lists.uri]
    del issuer.behaviours[LISTS]
    clock.advance(2)

    eventually(lambda: asked(issuer, PATH, 1))


def test_a_list_that_no_token_names_for_an_hour_is_fetched_no_more(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    reason(verifier, mint.claiming(status=lists.naming(0)))
    eventually(lambda: clock.waits(4.5, 5) and clock.waits(60, 60))
    clock.advance(3601)
    eventually(lambda: not verifier._sources.lists._lists)  # noqa: SLF001 - what is polled shows nowhere else
    hits = issuer.hits[PATH]
    clock.advance(100)
    assert issuer.hits[PATH] == hits
    lists.publish()
    assert reason(verifier, mint.claiming(exp=str(int(clock.wall()) + 9), status=lists.naming(0))) is None


def test_an_issuer_that_names_no_lists_is_not_asked_for_them(
    verifier: Verifier, mint: Mint, issuer: Issuer
) -> None:
    issuer.behaviours[METADATA] = body(issuer.metadata(status_list_aggregation_endpoint=None))

    assert reason(verifier, mint.token()) is None
    assert issuer.hits[LISTS] == 0


def test_tokens_without_status_are_accepted_unless_it_is_required(make: Make, mint: Mint) -> None:
    strict = make(revocation="status-list", require_status=True)
    of_client = mint.claiming(sub='"orders"', client_id='"orders"', sid=None)

    assert reason(make(revocation="status-list"), mint.token()) is None
    assert reason(strict, mint.token()) == Reason.STATUS
    assert reason(strict, of_client) is None
    assert reason(make(revocation="none", require_status=True), mint.token()) is None


def test_lists_are_not_asked_when_revocations_do_not_count(
    make: Make, mint: Mint, lists: Lists, issuer: Issuer
) -> None:
    issuer.lists = [lists.uri]
    lists.revoke(0)

    assert reason(make(revocation="none"), mint.claiming(status=lists.naming(0))) is None
    assert (issuer.hits[PATH], issuer.hits[LISTS]) == (0, 0)


def test_a_list_that_hangs_is_waited_for_no_longer_than_the_patience(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.behaviours[PATH] = hang
    answers: list[Any] = []
    token = mint.claiming(status=lists.naming(0))
    thread = Thread(target=lambda: answers.append(reason(verifier, token)))
    thread.start()
    eventually(lambda: asked(issuer, PATH, 1) and clock.waits(3, 3))
    clock.advance(3)
    thread.join()
    assert answers == [1]
