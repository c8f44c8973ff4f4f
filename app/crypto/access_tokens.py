"""Access tokens as signed text: JWS compact serialisation, read strictly (RFC 7515, RFC 8725)."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
import orjson

from app.crypto.keys import PrivateKey
from app.domain.access_tokens import TOKEN_TYPE
from app.domain.keys import Algorithm

MAX_LENGTH = 8192
TOKEN_ID_LENGTH = 16
"""Random bytes in a ``jti``."""
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
# Members that change what the rest means; none of them is ever issued (RFC 8725 section 3, RFC 7797).
_FOREIGN_MEMBERS = frozenset({"crit", "b64", "zip", "cty", "enc"})


class _JwsAlgorithm(Protocol):
    def sign(self, msg: bytes, key: Any) -> bytes: ...  # noqa: ANN401 - a key of the algorithm's own type
    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool: ...  # noqa: ANN401 - likewise


class Signer:
    """Signs payloads with one private key; the key is parsed once and the header built once."""

    def __init__(self, kid: str, algorithm: Algorithm, private_key: PrivateKey) -> None:
        self.kid = kid
        self._algorithm: _JwsAlgorithm = jwt.get_algorithm_by_name(algorithm)
        self._private_key = private_key
        self._header = _encode(orjson.dumps({"alg": algorithm.value, "kid": kid, "typ": TOKEN_TYPE}))

    def sign(self, payload: Mapping[str, object]) -> str:
        """The payload as a signed token (RFC 7515 section 5.1)."""
        signing_input = self._header + b"." + _encode(orjson.dumps(payload))
        signature = self._algorithm.sign(signing_input, self._private_key)
        return (signing_input + b"." + _encode(signature)).decode()


@dataclass(frozen=True, slots=True)
class Jws:
    """A token taken apart, and believed in nothing yet."""

    kid: str
    algorithm: object
    signing_input: bytes
    payload: str
    signature: bytes = field(repr=False)


def read(token: str) -> Jws | None:
    """Take an access token apart, or None when it is not of the one form that is issued.

    ``jwk``, ``jku`` and ``x5*`` are never looked at (RFC 8725 section 3.10).
    """
    parts = _COMPACT.fullmatch(token) if len(token) <= MAX_LENGTH else None
    if parts is None:
        return None
    header, signature = _read_json(parts[1]), _decode(parts[3])
    if header is None or signature is None or not _FOREIGN_MEMBERS.isdisjoint(header):
        return None
    kid = header.get("kid")
    if not isinstance(kid, str) or header.get("typ") != TOKEN_TYPE:
        return None
    return Jws(kid, header.get("alg"), token[: parts.end(2)].encode(), parts[2], signature)


class Verifier:
    """Checks signatures against published keys, each with the one algorithm that it was made for."""

    def __init__(self, jwks: Mapping[str, Mapping[str, str]]) -> None:
        """Take the public JWKs by ``kid``."""
        self._keys: dict[str, tuple[str, _JwsAlgorithm, Any]] = {}
        for kid, jwk in jwks.items():
            algorithm = jwt.get_algorithm_by_name(jwk["alg"])
            self._keys[kid] = (jwk["alg"], algorithm, algorithm.from_jwk(dict(jwk)))

    def knows(self, kid: str) -> bool:
        """Whether the key of this name is among the published ones."""
        return kid in self._keys

    def payload(self, jws: Jws) -> dict[str, object] | None:
        """The claims of a token with a good signature by a known key, or None.

        The header names the key, and the key fixes the algorithm (RFC 8725 section 3.1).
        """
        if jws.kid not in self._keys:
            return None
        name, algorithm, public_key = self._keys[jws.kid]
        if jws.algorithm != name or not algorithm.verify(jws.signing_input, public_key, jws.signature):
            return None
        return _read_json(jws.payload)


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decode(part: str) -> bytes | None:
    """The part's bytes, or None unless this is their one spelling (RFC 4648 section 3.5)."""
    if len(part) % 4 == 1:
        return None
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return data if _encode(data) == part.encode() else None


def _read_json(part: str) -> dict[str, object] | None:
    """A JSON object without duplicate members, NaN or numbers of absurd length; else None."""
    data = _decode(part)
    if data is None:
        return None
    try:
        value = json.loads(data.decode(), object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "duplicate member"
        raise ValueError(message)
    return members


def _refuse(constant: str) -> object:
    raise ValueError(constant)
