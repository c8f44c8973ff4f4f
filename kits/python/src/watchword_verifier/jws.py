"""Signed tokens as text: JWS compact serialisation, parsed strictly and before any key is looked at.

A token has one spelling. What base64url or JSON decoders tolerate besides is refused (RFC 8725 section 3).
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from watchword_verifier.errors import InvalidToken, Reason

MAX_TOKEN = 8192
"""Characters of an access token."""
_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
# Extensions, detached payloads, compression, nesting and encryption (RFC 7515 section 4.1.11, RFC 7797).
_REFUSED_MEMBERS = frozenset({"crit", "b64", "zip", "cty", "enc"})


@dataclass(frozen=True, slots=True)
class Jws:
    """The parts of a signed token, none of them verified yet."""

    kid: str
    algorithm: str
    type: str
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    _payload: str = field(repr=False)

    def payload(self) -> dict[str, object]:
        """The JSON object that is signed. Ask only after the signature was verified.

        Raises:
            InvalidToken: It is not strict JSON, or not an object.
        """
        return parse_object(decode(self._payload))


def parse_jws(token: str, max_length: int = MAX_TOKEN) -> Jws:
    """The parts of a token. ``jwk``, ``jku`` and ``x5*`` in its header are ignored (RFC 8725 section 3.10).

    Raises:
        InvalidToken: It has not exactly three parts, is not canonical, or its header is not acceptable.
    """
    parts = _PARTS.fullmatch(token) if len(token) <= max_length else None
    if parts is None:
        raise InvalidToken(Reason.MALFORMED)
    header, signature = parse_object(decode(parts[1])), decode(parts[3])
    kid, algorithm, kind = (header.get(name) for name in ("kid", "alg", "typ"))
    if not isinstance(kind, str) or _REFUSED_MEMBERS & header.keys():
        raise InvalidToken(Reason.TYPE)
    if not isinstance(kid, str):
        raise InvalidToken(Reason.UNKNOWN_KEY)
    if not isinstance(algorithm, str):
        raise InvalidToken(Reason.ALGORITHM)
    return Jws(kid, algorithm, kind, token[: parts.end(2)].encode(), signature, parts[2])


def decode(part: str) -> bytes:
    """The bytes of canonical base64url without padding (RFC 7515 section 2, RFC 4648 section 3.5).

    Raises:
        InvalidToken: Another text has the same bytes, or the length is impossible.
    """
    if len(part) % 4 == 1:
        raise InvalidToken(Reason.MALFORMED)
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise InvalidToken(Reason.MALFORMED)
    return data


def parse_object(data: bytes) -> dict[str, object]:
    """A JSON object in UTF-8 without duplicate members, NaN, or numbers and nesting beyond Python's limits.

    Raises:
        InvalidToken: It is anything else.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidToken(Reason.MALFORMED) from None
    if not isinstance(value, dict):
        raise InvalidToken(Reason.MALFORMED)
    return value


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is there twice")
    return members


def _no_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")
