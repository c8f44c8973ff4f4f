import hmac
from hashlib import sha256

import pytest

from app.crypto.secrets import ServiceSecret, ServiceSecrets

FIRST, SECOND = sha256(b"first").digest(), sha256(b"second").digest()

# Found by search: both have the id bbc3830e.
TWINS = sha256(b"37085").digest(), sha256(b"55984").digest()


def hkdf(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256 and no salt, for one block of output."""
    pseudorandom_key = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(pseudorandom_key, info + b"\x01", "sha256")


def test_each_purpose_has_a_key_of_its_own() -> None:
    derived = ServiceSecret.of(FIRST)

    assert derived.refresh_key == hkdf(FIRST, b"watchword/refresh/1")
    assert derived.mark_key == hkdf(FIRST, b"watchword/mark/1")
    assert derived.seal_key == hkdf(FIRST, b"watchword/seal/1")
    assert derived.id == hkdf(FIRST, b"watchword/id/1")[:4]
    assert derived.feature_key(b"any/1") == hkdf(hkdf(FIRST, b"watchword/features/1"), b"any/1")


def test_no_derived_key_is_in_the_repr() -> None:
    shown = repr(ServiceSecret.of(FIRST))

    assert shown == f"ServiceSecret(id={ServiceSecret.of(FIRST).id!r})"


def test_the_first_secret_is_the_newest_and_every_listed_one_is_found() -> None:
    secrets = ServiceSecrets([FIRST, SECOND])

    assert secrets.newest == secrets.find(ServiceSecret.of(FIRST).id) == ServiceSecret.of(FIRST)
    assert secrets.find(ServiceSecret.of(SECOND).id) == ServiceSecret.of(SECOND)


@pytest.mark.parametrize("unlisted", [b"", b"\0\0\0\0", ServiceSecret.of(SECOND).id])
def test_a_secret_that_is_not_listed_is_not_found(unlisted: bytes) -> None:
    assert ServiceSecrets([FIRST]).find(unlisted) is None


@pytest.mark.parametrize("pair", [(FIRST, FIRST), TWINS], ids=["the same", "different"])
def test_two_secrets_with_one_id_are_refused(pair: tuple[bytes, bytes]) -> None:
    assert ServiceSecret.of(pair[0]).id == ServiceSecret.of(pair[1]).id

    with pytest.raises(ValueError, match="two secrets share one id"):
        ServiceSecrets(pair)
