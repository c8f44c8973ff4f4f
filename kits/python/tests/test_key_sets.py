"""Answers of the key set and of the metadata: what is taken, what is skipped, and what is not believed."""

import gzip
import json
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from conformance.issuer import KEYS, METADATA, Behaviour, Issuer, body, endless, redirect, status
from conformance.minting import Mint, SigningKey, new_key
from testing.clock import ManualClock, eventually
from testing.verdicts import Make, asked, reason
from watchword_verifier import Reason, Verifier

ONE = new_key("one").jwk
RSA = new_key("rsa", "RS256").jwk
UNREADABLE: dict[str, Any] = {
    "not an object": "key",
    "null": None,
    "no kid": {name: value for name, value in ONE.items() if name != "kid"},
    "an empty kid": ONE | {"kid": ""},
    "a kid that is a number": ONE | {"kid": 1},
    "a kid beyond 1024 letters": ONE | {"kid": "k" * 1025},
    "an unknown kty": {"kty": "AKP", "kid": "x", "alg": "ML-DSA-44", "pub": "AA"},
    "no kty": {"kid": "x"},
    "a kty that is a list": {"kid": "x", "kty": ["RSA"]},
    "a secret": {"kty": "oct", "kid": "x", "alg": "HS256", "k": "c2VjcmV0"},
    "an unknown curve": ONE | {"kid": "x", "crv": "secp256k1"},
    "a point off the curve": ONE | {"kid": "x", "x": ONE["y"]},
    "x missing": {name: value for name, value in ONE.items() if name != "x"} | {"kid": "x"},
    "x not base64url": ONE | {"kid": "x", "x": "!"},
    "a modulus of 1024 bits": SigningKey(
        "x",
        "RS256",
        rsa.generate_private_key(public_exponent=65537, key_size=1024),  # noqa: S505 - it has to be too short
    ).jwk,
    "a modulus of 16384 bits": RSA | {"kid": "x", "n": "_" + "f" * 2730},
    "an exponent of 1": RSA | {"kid": "x", "e": "AQ"},
    "use enc": ONE | {"kid": "x", "use": "enc"},
    "key_ops without verify": ONE | {"kid": "x", "key_ops": ["sign"]},
    "key_ops a string": ONE | {"kid": "x", "key_ops": "verify"},
    "alg none": ONE | {"kid": "x", "alg": "none"},
    "alg HS256": RSA | {"kid": "x", "alg": "HS256"},
    "alg of another kind of key": ONE | {"kid": "x", "alg": "RS256"},
    "alg a list": ONE | {"kid": "x", "alg": ["ES256"]},
}


def other(issuer: Issuer, mint: Mint, key: SigningKey) -> Mint:
    return Mint(issuer.url, mint.audience, key, mint.now)


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_unreadable_key_is_skipped_and_the_others_count(
    verifier: Verifier, mint: Mint, issuer: Issuer, what: str
) -> None:
    issuer.extra_keys = [UNREADABLE[what]]

    assert reason(verifier, mint.token()) is None
    assert reason(verifier, mint.headed(kid='"x"')) == Reason.UNKNOWN_KEY


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_without_alg_fixes_the_usual_algorithm_of_its_kind(
    verifier: Verifier, mint: Mint, issuer: Issuer, algorithm: str
) -> None:
    key = new_key(f"plain-{algorithm}", algorithm)
    issuer.extra_keys = [{name: value for name, value in key.jwk.items() if name not in {"alg", "use"}}]

    assert reason(verifier, other(issuer, mint, key).token()) is None
    assert reason(verifier, other(issuer, mint, key).headed(alg='"PS256"')) == Reason.ALGORITHM


def test_an_ed25519_key_may_have_its_newer_name(verifier: Verifier, mint: Mint, issuer: Issuer) -> None:
    """RFC 9864 section 2.2."""
    key = new_key("ed", "EdDSA")
    issuer.extra_keys = [key.jwk | {"alg": "Ed25519"}]

    assert reason(verifier, other(issuer, mint, key).headed(alg='"Ed25519"')) is None
    assert reason(verifier, other(issuer, mint, key).token()) == Reason.ALGORITHM


def test_a_private_key_that_is_published_by_mistake_verifies_as_a_public_one(
    verifier: Verifier, mint: Mint, issuer: Issuer
) -> None:
    issuer.keys = []
    issuer.extra_keys = [ONE | {"d": "AAAA"}]

    assert reason(verifier, mint.token()) is None


def test_of_two_keys_with_one_kid_the_first_counts(verifier: Verifier, mint: Mint, issuer: Issuer) -> None:
    issuer.keys = [new_key("one"), SigningKey("one", "ES256", new_key("two").private)]

    assert reason(verifier, mint.token()) is None


BAD_ANSWERS: dict[str, Behaviour] = {
    "500": status(500),
    "404": status(404),
    "200 without a body": body(b""),
    "204": status(204),
    "304 that was not asked for": status(304),
    "a redirect to a good key set": redirect("/elsewhere.json"),
    "HTML": body(b"<html></html>"),
    "a list": body(b"[]"),
    "no keys": body(b'{"keys":[]}'),
    "keys an object": body(b'{"keys":{}}'),
    "only unreadable keys": body(json.dumps({"keys": [UNREADABLE["a secret"]]}).encode()),
    "101 keys": body(json.dumps({"keys": [ONE | {"kid": str(n)} for n in range(101)]}).encode()),
    "a nest of arrays": body(b'{"keys":' + b"[" * 100_000),
    "more than 256 KiB": body(json.dumps({"keys": [ONE], "x": "x" * 262_144}).encode()),
    "no end": endless,
    "a compressed body": body(gzip.compress(json.dumps({"keys": [ONE]}).encode()), Content_Encoding="gzip"),
    "a body shorter than it says": body(b'{"keys"', Content_Length="1000"),
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_a_bad_answer_is_not_used_and_leaves_the_keys_as_they_are(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock, what: str
) -> None:
    verifier.verify_sync(mint.token())
    issuer.behaviours |= {KEYS: BAD_ANSWERS[what], "/elsewhere.json": body(issuer.key_set())}
    eventually(lambda: clock.waits(270, 300))
    clock.advance(300)

    eventually(lambda: verifier.health().keys_error)
    assert reason(verifier, mint.token()) is None
    assert issuer.hits["/elsewhere.json"] == 0


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_after_a_bad_first_answer_no_token_is_refused_or_accepted(
    verifier: Verifier, mint: Mint, issuer: Issuer, what: str
) -> None:
    issuer.behaviours |= {KEYS: BAD_ANSWERS[what], "/elsewhere.json": body(issuer.key_set())}

    assert reason(verifier, mint.token()) == 1


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"issuer": "https://other.example.com"}, "the metadata is of another issuer"),
        ({"jwks_uri": "http://keys.example.com/jwks"}, "the address is not https"),
        ({"jwks_uri": "file:///etc/passwd"}, "the address has no host, or holds credentials or a fragment"),
        (
            {"jwks_uri": "https://user:x@example.com/"},
            "the address has no host, or holds credentials or a fragment",
        ),
        ({"jwks_uri": "http://127.0.0.1:99999/"}, "the port of the address is malformed"),
        ({"jwks_uri": "http://127.0.0.1/\n"}, "the address is malformed"),
        ({"jwks_uri": None}, "the metadata names no key set"),
        ({"jwks_uri": 7}, "the metadata names no key set"),
    ],
)
def test_metadata_that_leads_elsewhere_is_not_followed(
    verifier: Verifier, mint: Mint, issuer: Issuer, document: dict[str, object], error: str
) -> None:
    issuer.behaviours[METADATA] = body(issuer.metadata(**document))

    assert reason(verifier, mint.token()) == 1
    assert verifier.health().keys_error == error


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 60_000])
def test_metadata_that_is_no_object_is_not_used(
    verifier: Verifier, mint: Mint, issuer: Issuer, content: bytes
) -> None:
    issuer.behaviours[METADATA] = body(content)

    assert reason(verifier, mint.token()) == 1


def test_an_issuer_of_openid_connect_will_do(verifier: Verifier, mint: Mint, issuer: Issuer) -> None:
    issuer.behaviours[METADATA] = status(404)
    issuer.behaviours["/.well-known/openid-configuration"] = body(issuer.metadata())

    assert reason(verifier, mint.token()) is None


def test_an_issuer_without_metadata_will_do(make: Make, mint: Mint, issuer: Issuer) -> None:
    verifier = make(jwks_url=issuer.url + KEYS)

    assert reason(verifier, mint.token()) is None
    assert issuer.hits[METADATA] == 0


def test_metadata_is_kept_for_an_hour_and_longer_when_it_cannot_be_fetched(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock
) -> None:
    verifier.verify_sync(mint.token())
    issuer.behaviours[METADATA] = status(500)
    for hits in (2, 3):
        eventually(lambda: clock.waits(270, 300))
        clock.advance(3600)
        eventually(partial(asked, issuer, KEYS, hits))

    assert reason(verifier, mint.token()) is None
    assert issuer.hits[METADATA] == 3


@pytest.mark.parametrize(
    ("cache_control", "pause"),
    [
        ("max-age=600", 600),
        ("public, max-age=1", 60),
        ("max-age=86400", 3600),
        ("no-cache", 60),
        ("no-store, max-age=600", 60),
        ("s-maxage=9", 300),
        ("max-age=x", 300),
        ("", 300),
    ],
)
def test_keys_are_fetched_again_as_the_issuer_says_within_bounds(
    verifier: Verifier, mint: Mint, issuer: Issuer, clock: ManualClock, cache_control: str, pause: int
) -> None:
    issuer.behaviours[KEYS] = body(issuer.key_set(), Cache_Control=cache_control)
    verifier.verify_sync(mint.token())

    eventually(lambda: clock.waits(pause * 0.9, pause))
