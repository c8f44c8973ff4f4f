"""Token status lists: which tokens were revoked, as signed bits (draft-ietf-oauth-status-list)."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from watchword_verifier.errors import FetchError, InvalidToken
from watchword_verifier.jws import Jws, decode

MEDIA_TYPE = "application/statuslist+jwt"
TYPE = "statuslist+jwt"
MAX_DOCUMENT = 1024 * 1024
"""Bytes of the signed list as it is sent."""
MAX_LIST = 2 * 1024 * 1024
"""Bytes of the list when it is inflated: sixteen million tokens of one bit."""
WITHOUT_EXPIRY = 300
"""Seconds for which a list without ``exp`` counts."""
DEFAULT_TTL = 60
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_BITS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class StatusList:
    """A verified list. Times are seconds since 1970."""

    issued_at: int
    expires_at: float
    ttl: int
    """Seconds after which a fresh copy should be fetched."""
    bits: int
    data: bytes = field(repr=False)

    def status(self, index: int) -> int | None:
        """The status of a token, 0 for a valid one; None when the index is out of range (section 8.3)."""
        each = 8 // self.bits
        if index >= len(self.data) * each:
            return None
        # The least significant bits of a byte belong to the lowest index (section 4.1).
        return self.data[index // each] >> (index % each * self.bits) & (1 << self.bits) - 1


def merged(held: StatusList, fetched: StatusList) -> StatusList:
    """The newer of two copies. Of two that were signed in the same second, no revocation is undone.

    Caches may disagree, and issuers may round ``iat``, so which of two such copies is the newer is not known.

    Raises:
        FetchError: The fetched copy is older.
    """
    if fetched.issued_at < held.issued_at:
        raise FetchError("the status list is older than the one before")
    comparable = fetched.bits == held.bits == 1 and len(fetched.data) == len(held.data)
    if fetched.issued_at > held.issued_at or not comparable:
        return fetched
    both = int.from_bytes(held.data) | int.from_bytes(fetched.data)
    return replace(fetched, data=both.to_bytes(len(held.data)))


def parse_status_list(jws: Jws, uri: str, issuer: str, *, now: float) -> StatusList:
    """The list in a status list token whose signature was verified (section 8.3).

    Raises:
        FetchError: It is of another type, subject or issuer, expired, or not well-formed.
    """
    if jws.type not in (TYPE, MEDIA_TYPE):
        raise FetchError("the answer is not a status list token")
    try:
        claims = jws.payload()
        if claims.get("sub") != uri or claims.get("iss", issuer) != issuer:
            raise FetchError("the status list is another one")
        issued_at, ttl = _number(claims, "iat"), claims.get("ttl", DEFAULT_TTL)
        expires_at = _number(claims, "exp") if "exp" in claims else now + WITHOUT_EXPIRY
        if type(ttl) is not int or ttl <= 0:
            raise FetchError("the ttl of the status list is malformed")
        bits, data = _list(claims.get("status_list"))
    except InvalidToken:
        raise FetchError("the status list is malformed") from None
    if now >= expires_at:
        raise FetchError("the status list has expired")
    return StatusList(issued_at, expires_at, ttl, bits, data)


def _list(value: object) -> tuple[int, bytes]:
    members = value if isinstance(value, dict) else {}
    bits, text = members.get("bits"), members.get("lst")
    if type(bits) is not int or bits not in _BITS or not isinstance(text, str):
        raise FetchError("the status list is malformed")
    if not _BASE64URL.fullmatch(text):
        raise FetchError("the status list is malformed")
    return bits, _inflate(decode(text))


def _inflate(data: bytes) -> bytes:
    """The bytes that were compressed; never more than the limit, however much the sender claims."""
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, MAX_LIST)
    except zlib.error:
        raise FetchError("the status list is not compressed as it should be") from None
    if not inflater.eof or inflater.unused_data:
        raise FetchError("the status list is too long, cut, or has something behind it")
    return inflated


def _number(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or value < 0:
        raise FetchError("a time of the status list is malformed")
    return value
