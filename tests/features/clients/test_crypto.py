"""Secrets with one spelling and a checksum, and the public keys that a client may register."""

import json
from os import urandom
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from app.features.clients.crypto import (
    digest,
    has_secret,
    new_secret,
    parse_client_jwt,
    public_keys,
    secret_owner,
    verified,
)
from tests.support.clients import ServiceClient, Signer, new_signer
from tests.support.tokens import b64, members

pytestmark = pytest.mark.requirement("S1")

CLIENT = UUID("0b8f5a1e-3f4e-4d3c-9a51-6b0c8a3f2d10")
SECRET = new_secret(CLIENT, bytes(range(32)))
P256 = Signer(ec.generate_private_key(ec.SECP256R1()))
RSA_KEY = rsa.generate_private_key(65537, 2048)
SMALL_RSA = Signer(rsa.generate_private_key(65537, 1024), "RS256")  # noqa: S505 - it has to be refused
SIGNERS = [
    P256,
    Signer(RSA_KEY, "RS256"),
    Signer(RSA_KEY, "PS256"),
    Signer(ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    Signer(ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
]
SOMEONE = ServiceClient(CLIENT, "orders", SECRET)


def test_a_secret_has_its_prefix_its_client_and_256_random_bits() -> None:
    assert SECRET.startswith("wwc_")
    assert len(SECRET) == 76
    assert secret_owner(SECRET) == CLIENT
    assert digest(SECRET) != digest(new_secret(CLIENT, urandom(32)))


@given(st.uuids(), st.binary(min_size=32, max_size=32))
def test_every_secret_tells_its_client(client: UUID, random: bytes) -> None:
    assert secret_owner(new_secret(client, random)) == client


@given(st.integers(0, 75), st.characters(codec="ascii"))
def test_a_secret_with_one_other_character_is_none(place: int, letter: str) -> None:
    changed = SECRET[:place] + letter + SECRET[place + 1 :]
    assert secret_owner(changed) == (CLIENT if changed == SECRET else None)


@pytest.mark.parametrize(
    "text", ["", "wwc_", SECRET[:-1], SECRET + "A", "wwr_" + SECRET[4:], "wwc_" + "é" * 72, "wwc_" + "!" * 72]
)
def test_a_text_of_another_form_is_no_secret(text: str) -> None:
    assert secret_owner(text) is None


def test_a_secret_of_a_later_version_is_none() -> None:
    assert secret_owner("wwc_" + "Ag" + SECRET[6:]) is None


def test_a_secret_is_found_among_the_stored_ones() -> None:
    other = new_secret(CLIENT, urandom(32))
    assert has_secret([digest(SECRET), digest(other)], SECRET) == 0
    assert has_secret([digest(SECRET), digest(other)], other) == 1
    assert has_secret([digest(SECRET)], other) is None
    assert has_secret([], SECRET) is None


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.alg)
def test_an_assertion_is_verified_with_the_registered_key_and_its_algorithm(signer: Signer) -> None:
    (key,) = public_keys(json.dumps({"keys": [signer.jwk]}))
    assert key == signer.jwk
    jws = parse_client_jwt(signer.assertion(SOMEONE))
    assert jws is not None
    claims = verified(jws, [key])
    assert claims is not None
    assert claims["sub"] == str(CLIENT)
    assert verified(jws, [new_signer().jwk]) is None
    assert verified(jws, []) is None


def test_the_key_fixes_the_algorithm_and_not_the_header() -> None:
    pss, pkcs = Signer(RSA_KEY, "PS256"), Signer(RSA_KEY, "RS256")
    header = members(pss.header())
    jws = parse_client_jwt(pkcs.assertion(SOMEONE, header=header))
    assert jws is not None
    assert verified(jws, [pkcs.jwk]) is None
    assert verified(jws, [pss.jwk]) is None


def test_another_type_of_token_is_no_assertion() -> None:
    for token_type in ("at+jwt", "JWT", "client-authentication+JWT", None):
        header = members(P256.header() | {"typ": token_type})
        assert parse_client_jwt(P256.assertion(SOMEONE, header=header)) is None


def test_one_key_alone_is_taken_and_named_by_its_thumbprint() -> None:
    plain = {name: value for name, value in P256.jwk.items() if name not in {"kid", "alg"}}
    assert public_keys(json.dumps(plain)) == (P256.jwk,)


def test_only_what_a_public_key_needs_is_kept() -> None:
    given_key = P256.jwk | {"kid": "mine", "use": "sig", "x5u": "https://evil.example", "key_ops": ["verify"]}
    assert public_keys(json.dumps(given_key)) == (P256.jwk | {"kid": "mine"},)


def broken(**changes: Any) -> str:
    return json.dumps({"keys": [P256.jwk | changes]})


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[]", "1 to 4 keys"),
        ('{"keys": []}', "1 to 4 keys"),
        ('{"keys": {}}', "1 to 4 keys"),
        (json.dumps({"keys": [new_signer().jwk for _ in range(5)]}), "1 to 4 keys"),
        (json.dumps({"keys": [P256.jwk, P256.jwk]}), "one kid"),
        ('{"keys": [1]}', "kty"),
        (broken(kty="oct"), "kty"),
        (broken(kty=["EC"]), "kty"),
        (broken(d="AAAA"), "private key"),
        (broken(use="enc"), "use"),
        (broken(alg="HS256"), "alg"),
        (broken(alg="none"), "alg"),
        (broken(alg="RS256"), "alg"),
        (broken(alg=["ES256"]), "alg"),
        (broken(x=1), "P-256"),
        (broken(x=None), "P-256"),
        (broken(x="AAAA"), "P-256"),
        (broken(y="!"), "P-256"),
        (broken(crv="P-384"), "P-256"),
        (broken(crv="secp256k1"), "P-256"),
        (broken(kid=1), "kid"),
        (broken(kid=""), "kid"),
        (broken(kid="k" * 129), "kid"),
        (broken(kid="a\nb"), "kid"),
        (json.dumps(SMALL_RSA.jwk), "2048"),
        (json.dumps({"kty": "OKP", "crv": "X25519", "x": "A" * 43}), "Ed25519"),
        (json.dumps({"kty": "OKP", "crv": "Ed25519", "x": "A" * 10}), "Ed25519"),
    ],
)
def test_other_keys_are_refused_with_the_reason(document: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        public_keys(document)


def test_a_key_on_another_curve_is_refused_although_it_is_one() -> None:
    public = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-384", "x": b64(public.x.to_bytes(48)), "y": b64(public.y.to_bytes(48))}
    with pytest.raises(ValueError, match="P-256"):
        public_keys(json.dumps(jwk))
