"""Public ids of events: ``secret id(4) | AES-SIV of the position(32)``, 48 characters of base64url.

Ids in the database count the events of all accounts: two of them tell how many others signed in between.
A public id reveals nothing, and is valid only together with the account that it was sealed for.
"""

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from app.crypto.secrets import SECRET_ID_LENGTH, ServiceSecret, ServiceSecrets
from app.features.activity.domain import Position

_PURPOSE = b"watchword/activity/1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION = struct.Struct(">qq")
_ID = re.compile(r"[A-Za-z0-9_-]{48}", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventIds:
    """Seals the positions of events, and opens them; stores nothing."""

    secrets: ServiceSecrets

    def seal(self, positions: list[Position], account_id: UUID) -> list[str]:
        """The public ids of an account's events."""
        secret = self.secrets.newest
        cipher = _cipher(secret)
        sealed = [cipher.encrypt(_pack(position), [account_id.bytes]) for position in positions]
        return [urlsafe_b64encode(secret.id + text).decode() for text in sealed]

    def open(self, text: str, account_id: UUID) -> Position | None:
        """The position of an account's event by its public id; None for anything else."""
        if not _ID.fullmatch(text):
            return None
        raw = urlsafe_b64decode(text)
        secret = self.secrets.find(raw[:SECRET_ID_LENGTH])
        if secret is None:
            return None
        try:
            return _unpack(_cipher(secret).decrypt(raw[SECRET_ID_LENGTH:], [account_id.bytes]))
        except InvalidTag:
            return None


def _cipher(secret: ServiceSecret) -> AESSIV:
    return AESSIV(secret.feature_key(_PURPOSE))


def _pack(position: Position) -> bytes:
    return _POSITION.pack((position.at - _EPOCH) // timedelta(microseconds=1), position.id)


def _unpack(packed: bytes) -> Position:
    microseconds, number = _POSITION.unpack(packed)
    return Position(_EPOCH + timedelta(microseconds=microseconds), number)
