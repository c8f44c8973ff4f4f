"""Access tokens as signed text: JWS compact serialisation, parsed strictly (RFC 7515, RFC 8725)."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
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
# Header members that change the meaning of a token; we never issue them (RFC 8725 section 3, RFC 7797).
_FORBIDDEN_MEMBERS = frozenset({"crit", "b64", "zip", "cty", "enc"})


class _JwsAlgorithm(Protocol):
    def sign(self, msg: bytes, key: Any) -> bytes: ...  # noqa: ANN401 - a key of the algorithm's own type
    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool: ...  # noqa: ANN401 - likewise


class Signer:
    """Signs payloads with one private key, which is parsed once; each header is built once."""

    def __init__(self, kid: str, algorithm: Algorithm, private_key: PrivateKey) -> None:
        self.kid = kid
        self._name = algorithm.value
        self._algorithm: _JwsAlgorithm = jwt.get_algorithm_by_name(algorithm)
        self._private_key = private_key
        self._headers: dict[str, bytes] = {}

    def sign(self, payload: Mapping[str, object], token_type: str = TOKEN_TYPE) -> str:
        """The payload as a signed token of this ``typ`` (RFC 7515 section 5.1)."""
        if token_type not in self._headers:
            header = {"alg": self._name, "kid": self.kid, "typ": token_type}
            self._headers[token_type] = _encode(orjson.dumps(header))
        signing_input = self._headers[token_type] + b"." + _encode(orjson.dumps(payload))
        signature = self._algorithm.sign(signing_input, self._private_key)
        return (signing_input + b"." + _encode(signature)).decode()


@dataclass(frozen=True, slots=True)
class Jws:
    """The parts of a token, none of them verified yet."""

    kid: str
    algorithm: object
    signing_input: bytes
    payload: str
    signature: bytes = field(repr=False)

    def claims(self) -> dict[str, object] | None:
        """The claims, which prove nothing before the signature is verified; None for any other JSON."""
        return _parse_json(self.payload)


def parse_jws(token: str, token_type: str = TOKEN_TYPE) -> Jws | None:
    """The parts of a token of this ``typ``, or None when it does not have the form of our access tokens.

    ``jwk``, ``jku`` and ``x5*`` are ignored (RFC 8725 section 3.10).
    """
    parts = _COMPACT.fullmatch(token) if len(token) <= MAX_LENGTH else None
    if parts is None:
        return None
    header, signature = _parse_header(parts[1], token_type), _decode(parts[3])
    if header is None or signature is None:
        return None
    return Jws(*header, token[: parts.end(2)].encode(), parts[2], signature)


@lru_cache(maxsize=64)
def _parse_header(part: str, token_type: str) -> tuple[str, object] | None:
    """The ``kid`` and ``alg`` of a header as we issue it. All tokens of a key have the same header."""
    header = _parse_json(part)
    if header is None or not _FORBIDDEN_MEMBERS.isdisjoint(header):
        return None
    kid = header.get("kid")
    if not isinstance(kid, str) or header.get("typ") != token_type:
        return None
    return kid, header.get("alg")


class Verifier:
    """Verifies signatures with published keys, each with the one algorithm that it was made for."""

    def __init__(self, jwks: Mapping[str, Mapping[str, str]]) -> None:
        """``jwks`` are public JWKs by ``kid``."""
        self._keys: dict[str, tuple[str, _JwsAlgorithm, Any]] = {}
        for kid, jwk in jwks.items():
            algorithm = jwt.get_algorithm_by_name(jwk["alg"])
            self._keys[kid] = (jwk["alg"], algorithm, algorithm.from_jwk(dict(jwk)))

    def knows(self, kid: str) -> bool:
        """Whether a key with this ``kid`` is published."""
        return kid in self._keys

    def payload(self, jws: Jws) -> dict[str, object] | None:
        """The claims of a token with a valid signature by a published key, or None.

        The header names the key, and the key fixes the algorithm (RFC 8725 section 3.1).
        """
        if jws.kid not in self._keys:
            return None
        name, algorithm, public_key = self._keys[jws.kid]
        if jws.algorithm != name or not algorithm.verify(jws.signing_input, public_key, jws.signature):
            return None
        return jws.claims()


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decode(part: str) -> bytes | None:
    """The decoded bytes, or None when the encoding is not canonical (RFC 4648 section 3.5)."""
    if len(part) % 4 == 1:
        return None
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    return data if _encode(data) == part.encode() else None


def _parse_json(part: str) -> dict[str, object] | None:
    """A JSON object, or None for duplicate members, NaN, too long numbers or anything else."""
    data = _decode(part)
    if data is None:
        return None
    try:
        value = _JSON.decode(data.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        message = "duplicate member"
        raise ValueError(message)
    return members


def _refuse_constant(constant: str) -> object:
    raise ValueError(constant)


_JSON = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse_constant)
