"""The signing key of the floors: that of their database, parsed once."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Self

import asyncpg
import orjson
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from app.crypto.keys import KeyMaker
from app.crypto.secrets import ServiceSecrets
from app.domain.keys import Algorithm, SealedKey

_SIGNING = """
SELECT kid, public_jwk, sealed_private_key FROM signing_keys
WHERE activated_at IS NOT NULL AND superseded_at IS NULL
"""
_PUBLISHED = "SELECT public_jwk FROM signing_keys ORDER BY kid"


class Keys:
    """Signs and verifies RS256, and holds the key set."""

    def __init__(self, kid: str, private_key: rsa.RSAPrivateKey, document: bytes) -> None:
        self.kid, self._private, self._public = kid, private_key, private_key.public_key()
        self._header = _encoded(orjson.dumps({"alg": "RS256", "kid": kid, "typ": "at+jwt"}))
        self.document, self.etag = document, f'"{sha256(document).hexdigest()[:32]}"'

    @classmethod
    async def of(cls, pool: "asyncpg.Pool[Any]", secrets: Sequence[bytes]) -> Self:
        """Open the signing key of the database."""
        row = await pool.fetchrow(_SIGNING)
        assert row is not None
        sealed = SealedKey(
            row["kid"], Algorithm.RS256, orjson.loads(row["public_jwk"]), row["sealed_private_key"]
        )
        key = KeyMaker(ServiceSecrets(secrets)).open(sealed)
        assert isinstance(key, rsa.RSAPrivateKey)
        published = [orjson.loads(each["public_jwk"]) for each in await pool.fetch(_PUBLISHED)]
        return cls(row["kid"], key, orjson.dumps({"keys": published}))

    def sign(self, payload: bytes) -> str:
        """Return the payload as a signed token."""
        signed = self._header + b"." + _encoded(payload)
        return (signed + b"." + _encoded(self._private.sign(signed, padding.PKCS1v15(), SHA256()))).decode()

    def verify(self, token: str) -> bytes:
        """Return the payload of a token; InvalidSignature or ValueError when it is not ours."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        if header.encode() != self._header:
            raise ValueError("another key")
        self._public.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256())
        return _decoded(payload)


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
