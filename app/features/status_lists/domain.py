"""Status lists: one bit for each session, which is set while its access tokens are revoked.

Section numbers are those of draft-ietf-oauth-status-list.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from app.domain.statuses import SIZE, list_uri

TOKEN_TYPE = "statuslist+jwt"
FRESH_FOR = timedelta(seconds=5)
"""How long a verifier, and a cache, may use a list without asking again."""
LIFETIME = timedelta(minutes=5)
RENEWED_AFTER = timedelta(minutes=3)
"""The age at which a list is signed again though nothing has changed."""
_STEP = 60
"""Seconds. Replicas sign the same minute, so that the same list is the same text where the key allows it."""


def bits(places: Iterable[int]) -> bytes:
    """A list with the bits at these places set, the least significant of a byte first (section 4.1)."""
    packed = bytearray(SIZE // 8)
    for place in places:
        packed[place >> 3] |= 1 << (place & 7)
    return bytes(packed)


def signed_at(now: datetime) -> datetime:
    """When a list that is signed now says that it was."""
    return datetime.fromtimestamp(int(now.timestamp()) // _STEP * _STEP, UTC)


def claims(issuer: str, number: int, encoded: str, *, at: datetime) -> dict[str, object]:
    """The payload of a list (section 5.1); ``encoded`` is its compressed bits in base64url."""
    issued_at = int(at.timestamp())
    return {
        "iss": issuer,
        "sub": list_uri(issuer, number),
        "iat": issued_at,
        "exp": issued_at + int(LIFETIME.total_seconds()),
        "ttl": int(FRESH_FOR.total_seconds()),
        "status_list": {"bits": 1, "lst": encoded},
    }
