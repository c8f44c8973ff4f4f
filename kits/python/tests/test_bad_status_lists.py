"""Lists that are not what they should be: none is believed, and none undoes the one before."""

import zlib
from collections.abc import Callable
from typing import Any

import pytest

from conformance.issuer import Issuer, status
from conformance.minting import Mint, SigningKey, b64, joined, new_key
from testing.clock import ManualClock
from testing.lists import PATH, Lists, polled
from testing.verdicts import Make, reason
from watchword_verifier import Reason, Verifier

MEGABYTE = 1024 * 1024


@pytest.fixture
def verifier(make: Make) -> Verifier:
    return make(revocation="status-list")


def _as_text(change: Callable[[bytes], bytes]) -> Callable[[Lists], bytes]:
    return lambda lists: change(lists.signed())


def _packed(bits: Any, lst: Any) -> Callable[[Lists], bytes]:
    return lambda lists: lists.signed(status_list={"bits": bits, "lst": lst})


def _by(key: SigningKey) -> Callable[[Lists], bytes]:
    def signed(lists: Lists) -> bytes:
        lists.key = key
        return lists.signed()

    return signed


EMPTY = zlib.compress(bytes(8))
BAD_LISTS: dict[str, Callable[[Lists], bytes]] = {
    "by a stranger under a published kid": _by(SigningKey("one", "ES256", new_key("two").private)),
    "by a key that is not published": _by(new_key("retired")),
    "with another alg": lambda lists: lists.signed({"alg": "none"}),
    "typ at+jwt": lambda lists: lists.signed({"typ": "at+jwt"}),
    "of another list": lambda lists: lists.signed(sub=lists.uri + "0"),
    "without sub": lambda lists: lists.signed(sub=None),
    "of another issuer": lambda lists: lists.signed(iss="https://other.example.com"),
    "expired": lambda lists: lists.signed(exp=1_790_000_000),
    "exp a float": lambda lists: lists.signed(exp=1_990_000_000.0),
    "exp negative": lambda lists: lists.signed(exp=-1),
    "without iat": lambda lists: lists.signed(iat=None),
    "a payload that is a list": lambda lists: joined(
        b'{"alg":"ES256","kid":"one","typ":"statuslist+jwt"}', b"[]", lists.key.sign
    ).encode(),
    "ttl a text": lambda lists: lists.signed(ttl="5"),
    "ttl zero": lambda lists: lists.signed(ttl=0),
    "without a list": lambda lists: lists.signed(status_list=None),
    "a list that is a text": lambda lists: lists.signed(status_list="x"),
    "bits 3": _packed(3, b64(EMPTY)),
    "bits true": _packed(True, b64(EMPTY)),
    "lst a list": _packed(1, []),
    "lst empty": _packed(1, ""),
    "lst padded": _packed(1, b64(EMPTY) + "=="),
    "lst not zlib": _packed(1, b64(b"not compressed")),
    "lst cut": _packed(1, b64(EMPTY[:-1])),
    "lst with something behind": _packed(1, b64(EMPTY + b"x")),
    "lst that inflates without bound": _packed(1, b64(zlib.compress(bytes(64 * MEGABYTE)))),
    "not a token": _as_text(lambda _: b"x"),
    "not ASCII": _as_text(lambda document: document + "\u00e9".encode()),
    "a changed payload": _as_text(lambda document: document.replace(b".", b".e", 1)),
    "more than 1 MiB": _as_text(lambda document: document + b"x" * MEGABYTE),
}


@pytest.mark.parametrize("what", BAD_LISTS)
def test_a_bad_list_is_not_believed_and_its_tokens_are_neither_refused_nor_accepted(
    verifier: Verifier, mint: Mint, lists: Lists, what: str
) -> None:
    lists.publish(BAD_LISTS[what](lists))

    assert reason(verifier, mint.claiming(status=lists.naming(0))) == 1


@pytest.mark.parametrize("what", ["404", "another content type", "a redirect"])
def test_a_bad_answer_is_no_list(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, what: str
) -> None:
    if what == "404":
        issuer.behaviours[PATH] = status(404)
    elif what == "a redirect":
        issuer.behaviours[PATH] = lambda request: request.reply(lists.signed(), 302, Location="/status/1")
    else:
        lists.publish(content_type="text/html")

    assert reason(verifier, mint.claiming(status=lists.naming(0))) == 1


def test_a_bad_list_leaves_the_one_before_as_it_is(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    lists.revoke(2)
    assert reason(verifier, mint.claiming(status=lists.naming(2))) == Reason.REVOKED
    lists.publish(b"x")
    polled(issuer, clock)

    assert reason(verifier, mint.claiming(status=lists.naming(2))) == Reason.REVOKED
    assert reason(verifier, mint.claiming(status=lists.naming(0))) is None


def test_a_list_that_expired_and_is_said_not_to_have_changed_counts_no_more(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock
) -> None:
    token = mint.claiming(status=lists.naming(0))
    assert reason(verifier, token) is None
    issuer.behaviours[PATH] = status(304)

    clock.advance(300)

    assert reason(verifier, token) == 1
