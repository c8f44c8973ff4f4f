"""Refresh tokens on the wire: ``wwr_`` and the base64url of 57 bytes, the last 16 of which are a mac.

``version(1) | secret id(4) | session id(16) | generation(4) | seed(16) | mac(16)``
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from uuid import UUID

from app.crypto.secrets import ServiceSecret, ServiceSecrets
from app.domain.sessions import RefreshToken, Session

PREFIX = "wwr_"
SEED_LENGTH = 16
_VERSION = 1
_BODY = struct.Struct(">B4s16sI16s")
_MAC_LENGTH = 16
_LAST_GENERATION = 2**32 - 1
_TEXT_LENGTH = len(PREFIX) + (_BODY.size + _MAC_LENGTH) // 3 * 4


class RefreshTokens:
    """Writes, reads and compares refresh tokens; stores nothing."""

    def __init__(self, secrets: ServiceSecrets) -> None:
        self._secrets = secrets

    def first(self, session_id: UUID, seed: bytes) -> RefreshToken:
        """The first token of a session, under the newest secret; ``seed`` is 16 random bytes."""
        return _write(self._secrets.newest, session_id, 0, seed)

    def at(self, token: RefreshToken, generation: int) -> RefreshToken:
        """The token of another generation of the same family; its secret must be listed (KeyError)."""
        return _write(self._secret(token), token.session_id, generation, token.seed)

    def mark(self, token: RefreshToken, idempotency_key: str) -> bytes:
        """What a rotation stores of its ``Idempotency-Key``: a mac over the rotated token and the key.

        It matches with no other token, even of the same family. Without the service secret, a reader of the
        database cannot test guesses at the key.
        """
        message = token.digest + idempotency_key.encode()
        return hmac.digest(self._secret(token).mark_key, message, "sha256")

    def read(self, text: str) -> RefreshToken | None:
        """The token with this text, or None for any text that we did not write; needs no look-up."""
        # 57 bytes are exactly 76 characters of base64url, so each token has only one spelling.
        if len(text) != _TEXT_LENGTH or not text.startswith(PREFIX) or not text.isascii():
            return None
        raw = _decode(text[len(PREFIX) :])
        if raw is None:
            return None
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        version, secret_id, session_id, generation, seed = _BODY.unpack(body)
        secret = self._secrets.find(secret_id)
        if version != _VERSION or secret is None or not hmac.compare_digest(mac, _mac(secret, body)):
            return None
        if generation == _LAST_GENERATION:  # It could have no successor; we never write it.
            return None
        return RefreshToken(secret_id, UUID(bytes=session_id), generation, seed, text, _digest(text))

    def is_genuine(self, token: RefreshToken, session: Session) -> bool:
        """Whether the token belongs to the family of this session.

        The mac proves only knowledge of the service secret. The seed must also rebuild the token whose hash
        the row stores.
        """
        return hmac.compare_digest(self.at(token, session.generation).digest, session.refresh_token_hash)

    def _secret(self, token: RefreshToken) -> ServiceSecret:
        secret = self._secrets.find(token.secret_id)
        if secret is None:
            raise KeyError(token.secret_id)
        return secret


def _write(secret: ServiceSecret, session_id: UUID, generation: int, seed: bytes) -> RefreshToken:
    body = _BODY.pack(_VERSION, secret.id, session_id.bytes, generation, seed)
    text = PREFIX + urlsafe_b64encode(body + _mac(secret, body)).decode()
    return RefreshToken(secret.id, session_id, generation, seed, text, _digest(text))


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _mac(secret: ServiceSecret, body: bytes) -> bytes:
    return hmac.digest(secret.refresh_key, body, "sha256")[:_MAC_LENGTH]


def _decode(text: str) -> bytes | None:
    # The decoder skips invalid characters; encoding again reveals them.
    try:
        raw = urlsafe_b64decode(text)
    except ValueError:
        return None
    return raw if urlsafe_b64encode(raw).decode() == text else None
