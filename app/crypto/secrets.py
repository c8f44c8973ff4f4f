"""Service secrets, and the keys derived from them (HKDF-SHA256, RFC 5869)."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_ID_LENGTH = 4


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


@dataclass(frozen=True, slots=True)
class ServiceSecret:
    """One secret of the service: its public id (4 bytes) and a key for each purpose (32 bytes each)."""

    id: bytes
    refresh_key: bytes = field(repr=False)
    seal_key: bytes = field(repr=False)
    device_key: bytes = field(repr=False)
    label_key: bytes = field(repr=False)
    features_key: bytes = field(repr=False)
    mark_key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "ServiceSecret":
        """Derive the id and the keys from the bytes of a secret."""
        return cls(
            id=_derive(secret, b"watchword/id/1")[:SECRET_ID_LENGTH],
            refresh_key=_derive(secret, b"watchword/refresh/1"),
            seal_key=_derive(secret, b"watchword/seal/1"),
            device_key=_derive(secret, b"watchword/device/1"),
            label_key=_derive(secret, b"watchword/label/1"),
            features_key=_derive(secret, b"watchword/features/1"),
            mark_key=_derive(secret, b"watchword/mark/1"),
        )

    def feature_key(self, purpose: bytes) -> bytes:
        """The key of a feature for this purpose, 32 bytes."""
        return _derive(self.features_key, purpose)


class ServiceSecrets:
    """The listed secrets: the first one seals and signs everything new, all are accepted."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """Raise ValueError when two secrets share an id: a token could not name its secret."""
        derived = [ServiceSecret.of(secret) for secret in secrets]
        self._by_id = {secret.id: secret for secret in derived}
        if len(self._by_id) != len(derived):
            message = "two secrets share one id; replace one of them"
            raise ValueError(message)
        self.newest = derived[0]

    def find(self, secret_id: bytes) -> ServiceSecret | None:
        """The secret with this id, or None when it is not listed."""
        return self._by_id.get(secret_id)

    def fraction(self, text: str) -> float:
        """A number from 0 up to 1: unpredictable without the secret, and always the same for this text."""
        digest = hmac.digest(
            self.newest.label_key, b"fraction/" + text.encode(errors="surrogatepass"), "sha256"
        )
        return int.from_bytes(digest[:6]) / 2**48

    def label(self, text: str) -> str:
        """A keyed hash of a text that must not be stored in clear: 24 characters of base64url."""
        digest = hmac.digest(self.newest.label_key, text.encode(errors="surrogatepass"), "sha256")
        return urlsafe_b64encode(digest[:18]).decode()
