from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import import_key

from app.crypto.keys import KeyMaker, UnopenableKeyError, thumbprint
from app.crypto.secrets import ServiceSecret, ServiceSecrets
from app.domain.keys import Algorithm, KeyKind, SealedKey

KINDS = [
    KeyKind(Algorithm.RS256, 2048),
    KeyKind(Algorithm.RS256, 3072),
    KeyKind(Algorithm.ES256),
    KeyKind(Algorithm.EDDSA),
]
QUICK = KeyKind(Algorithm.EDDSA)
OLD, NEW = b"the older secret, of 32 bytes...", b"the newer secret, of 32 bytes..."
ID, NONCE = 4, 12

# RFC 7638 section 3.1.
RSA_N = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiF"
    "V4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9"
    "c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1"
    "jF44-csFCur-kEgU8awapJzKnqDKgw"
)


def maker(*secrets: bytes) -> KeyMaker:
    return KeyMaker(ServiceSecrets(secrets or (NEW,)))


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind.algorithm} {kind.rsa_bits}")
def made(request: pytest.FixtureRequest) -> SealedKey:
    return maker().make(request.param)


@pytest.fixture
def key() -> SealedKey:
    """A key that is cheap to make, for tests that do not depend on the algorithm."""
    return maker().make(QUICK)


def changed(key: SealedKey, **changes: Any) -> SealedKey:
    members = ("kid", "algorithm", "public_jwk", "sealed_private_key")
    return SealedKey(**{name: getattr(key, name) for name in members} | changes)


@pytest.mark.parametrize(
    ("jwk", "expected"),
    [
        pytest.param(
            {"kty": "RSA", "n": RSA_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"},
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            id="RFC 7638 section 3.1",
        ),
        pytest.param(
            {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            id="RFC 8037 appendix A.3",
        ),
    ],
)
def test_a_thumbprint_matches_the_example_of_the_standard(jwk: dict[str, str], expected: str) -> None:
    assert thumbprint(jwk) == expected


def test_a_kid_is_the_thumbprint_that_another_library_computes(made: SealedKey) -> None:
    assert made.kid == made.public_jwk["kid"] == import_key(dict(made.public_jwk)).thumbprint()


@pytest.mark.requirement("K1")
def test_the_public_jwk_has_every_public_and_no_private_member(made: SealedKey) -> None:
    members = {
        Algorithm.RS256: {"kty": "RSA", "e": "AQAB", "n": ...},
        Algorithm.ES256: {"kty": "EC", "crv": "P-256", "x": ..., "y": ...},
        Algorithm.EDDSA: {"kty": "OKP", "crv": "Ed25519", "x": ...},
    }[made.algorithm] | {"kid": made.kid, "use": "sig", "alg": made.algorithm.value}

    assert made.public_jwk.keys() == members.keys()
    assert {name: made.public_jwk[name] for name, value in members.items() if value is not ...} == {
        name: value for name, value in members.items() if value is not ...
    }


def test_the_opened_private_key_belongs_to_the_published_key(made: SealedKey) -> None:
    public_key = maker().open(made).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert import_key(public_key, made.public_jwk["kty"]).thumbprint() == made.kid  # type: ignore[call-overload]


def test_a_key_has_the_strength_of_its_kind(made: SealedKey) -> None:
    match maker().open(made):
        case rsa.RSAPrivateKey() as key:
            assert made.kind == KeyKind(Algorithm.RS256, key.key_size)
            assert (key.key_size, key.public_key().public_numbers().e) in {(2048, 65537), (3072, 65537)}
        case ec.EllipticCurvePrivateKey() as key:
            assert (made.kind, key.curve.name) == (KeyKind(Algorithm.ES256), "secp256r1")
        case ed25519.Ed25519PrivateKey():
            assert made.kind == QUICK


def test_the_secret_alone_makes_no_key_again(key: SealedKey) -> None:
    assert maker().make(QUICK).kid != key.kid


@pytest.mark.requirement("K5")
def test_the_private_key_is_not_in_the_sealed_bytes_or_their_repr(made: SealedKey) -> None:
    private_key = maker().open(made)
    der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    assert der[-32:] not in made.sealed_private_key
    assert "sealed_private_key" not in repr(made)


def test_the_newest_secret_seals_and_every_listed_one_opens(key: SealedKey) -> None:
    assert maker(NEW, OLD).make(QUICK).sealed_private_key[:ID] == ServiceSecret.of(NEW).id
    expected = maker(NEW).open(key).public_key()
    assert maker(OLD, NEW).open(key).public_key() == expected


def test_a_nonce_is_never_used_twice() -> None:
    """A nonce used twice under one key reveals both plaintexts (NIST SP 800-38D section 8)."""
    nonces = {maker().make(QUICK).sealed_private_key[ID : ID + NONCE] for _ in range(50)}

    assert len(nonces) == 50


def test_resealing_under_the_newest_secret_keeps_the_key(key: SealedKey) -> None:
    resealed = maker(OLD, NEW).reseal(key)

    assert resealed is not None
    only_old = maker(OLD).open(changed(key, sealed_private_key=resealed))
    assert only_old.public_key() == maker(NEW).open(key).public_key()
    assert maker(NEW, OLD).reseal(key) is None


def test_a_key_that_does_not_open_cannot_be_resealed(key: SealedKey) -> None:
    with pytest.raises(UnopenableKeyError, match=key.kid):
        maker(OLD).reseal(key)


def test_a_key_sealed_under_a_secret_that_is_not_listed_does_not_open(key: SealedKey) -> None:
    with pytest.raises(UnopenableKeyError, match=key.kid):
        maker(OLD).open(key)


def test_a_key_does_not_open_under_another_secret_with_the_same_id(key: SealedKey) -> None:
    renamed = ServiceSecret.of(OLD).id + key.sealed_private_key[ID:]

    with pytest.raises(UnopenableKeyError):
        maker(OLD).open(changed(key, sealed_private_key=renamed))


@pytest.mark.parametrize(
    "moved", [{"kid": "another"}, {"algorithm": Algorithm.ES256}], ids=["another kid", "another algorithm"]
)
def test_a_sealed_key_does_not_open_under_another_kid_or_algorithm(
    key: SealedKey, moved: dict[str, Any]
) -> None:
    with pytest.raises(UnopenableKeyError):
        maker().open(changed(key, **moved))


def test_a_sealed_key_with_any_byte_changed_does_not_open(key: SealedKey) -> None:
    for position in range(len(key.sealed_private_key)):
        damaged = bytearray(key.sealed_private_key)
        damaged[position] ^= 0x10
        with pytest.raises(UnopenableKeyError):
            maker().open(changed(key, sealed_private_key=bytes(damaged)))


@pytest.mark.parametrize("length", [0, 3, ID, ID + 4, ID + NONCE, ID + NONCE + 15, ID + NONCE + 16, -1])
def test_a_truncated_sealed_key_does_not_open(key: SealedKey, length: int) -> None:
    with pytest.raises(UnopenableKeyError):
        maker().open(changed(key, sealed_private_key=key.sealed_private_key[:length]))


def test_a_private_key_of_an_unsupported_type_does_not_open(key: SealedKey) -> None:
    der = x25519.X25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(UnopenableKeyError):
        maker().open(changed(key, sealed_private_key=sealed(key, der)))


def sealed(key: SealedKey, plaintext: bytes) -> bytes:
    """Sealed as the design says: AES-256-GCM, bound to kid and algorithm."""
    secret, nonce = ServiceSecret.of(NEW), bytes(NONCE)
    label = f"{key.kid}.{key.algorithm.value}".encode()
    return secret.id + nonce + AESGCM(secret.seal_key).encrypt(nonce, plaintext, label)
