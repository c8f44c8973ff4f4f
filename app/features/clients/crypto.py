"""Secrets of service clients, and the public keys that verify their assertions.

A secret is ``wwc_`` and the base64url of ``version(1) | client id(16) | random(32) | checksum(5)``.
The checksum is the start of a SHA-256, so programs that search for leaked secrets know ours from other texts.
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.crypto.access_tokens import Jws, parse_jws
from app.crypto.keys import thumbprint
from app.features.clients.domain import ASSERTION_JWT

PREFIX = "wwc_"
RANDOM_LENGTH = 32
MOST_KEYS = 4
"""Public keys that a client may have."""
ALGORITHMS = {
    "RS256": jwt.get_algorithm_by_name("RS256"),
    "PS256": jwt.get_algorithm_by_name("PS256"),
    "ES256": jwt.get_algorithm_by_name("ES256"),
    "EdDSA": jwt.get_algorithm_by_name("EdDSA"),
    # The name that RFC 9864 gives to the same algorithm.
    "Ed25519": jwt.get_algorithm_by_name("EdDSA"),
}
"""The algorithms of assertions, by the name in ``alg``."""
_VERSION = 1
_BODY = struct.Struct(">B16s32s")
_CHECKSUM_LENGTH = 5
_TEXT = re.compile(r"wwc_[A-Za-z0-9_-]{72}", re.ASCII)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}
# The first one is that of a key that names none.
_ALGORITHMS_OF = {"RSA": ("RS256", "PS256"), "EC": ("ES256",), "OKP": ("EdDSA", "Ed25519")}
_LEAST_BITS, _MOST_BITS = 2048, 8192
_LONGEST_KID = 128


def new_secret(client: UUID, random: bytes) -> str:
    """The secret of a client with these 32 random bytes."""
    body = _BODY.pack(_VERSION, client.bytes, random)
    return PREFIX + urlsafe_b64encode(body + _checksum(body)).decode()


def secret_owner(text: str) -> UUID | None:
    """The client whose secret this may be, or None for a text that is no secret of ours."""
    # 54 bytes are exactly 72 characters of base64url, so each secret has only one spelling.
    if _TEXT.fullmatch(text) is None:
        return None
    raw = urlsafe_b64decode(text.removeprefix(PREFIX))
    body = raw[: _BODY.size]
    version, client, _ = _BODY.unpack(body)
    if version != _VERSION or not hmac.compare_digest(raw[_BODY.size :], _checksum(body)):
        return None
    return UUID(bytes=client)


def digest(secret: str) -> bytes:
    """What is stored of a secret: with 256 random bits, no slow hash is needed."""
    return sha256(secret.encode()).digest()


def has_secret(digests: Sequence[bytes], secret: str) -> int | None:
    """Which of the stored digests is that of the secret, or None."""
    presented = digest(secret)
    for place, stored in enumerate(digests):
        if hmac.compare_digest(stored, presented):
            return place
    return None


def parse_client_jwt(text: str) -> Jws | None:
    """The parts of an assertion, none of them verified; None for a text of another form or ``typ``."""
    return parse_jws(text, ASSERTION_JWT)


def verified(jws: Jws, keys: Sequence[Mapping[str, str]]) -> dict[str, object] | None:
    """The claims that one of these keys signed, or None. The key named by ``kid`` fixes the algorithm."""
    key = next((key for key in keys if key["kid"] == jws.kid), None)
    if key is None or jws.algorithm != key["alg"]:
        return None
    algorithm = ALGORITHMS[key["alg"]]
    public_key = algorithm.from_jwk(dict(key))
    return jws.claims() if algorithm.verify(jws.signing_input, public_key, jws.signature) else None


def public_keys(document: str) -> tuple[dict[str, str], ...]:
    """The keys of a JWK Set (RFC 7517 section 5), or of one JWK; ValueError says why they are refused.

    Only the members that a public key needs are kept, with its ``kid`` and ``alg``. A key without ``kid`` is
    called by its thumbprint (RFC 7638).
    """
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise ValueError("it is no JSON") from None
    listed = parsed.get("keys", [parsed]) if isinstance(parsed, dict) else None
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS:
        raise ValueError(f"it is no JWK Set of 1 to {MOST_KEYS} keys")
    keys = tuple(_public_key(jwk) for jwk in listed)
    if len({key["kid"] for key in keys}) != len(keys):
        raise ValueError("two keys have one kid")
    return keys


def _public_key(jwk: Any) -> dict[str, str]:  # noqa: ANN401 - decoded JSON
    if not isinstance(jwk, dict) or jwk.get("kty") not in tuple(_MEMBERS):
        raise ValueError("the kty of a key is none of RSA, EC, OKP")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise ValueError("it holds a private key, which belongs to the client alone")
    if jwk.get("use", "sig") != "sig":
        raise ValueError("the use of a key is not sig")
    algorithm = jwk.get("alg", _ALGORITHMS_OF[jwk["kty"]][0])
    if algorithm not in _ALGORITHMS_OF[jwk["kty"]]:
        raise ValueError(f"the alg of a key is none of {', '.join(ALGORITHMS)}, or not one of its kty")
    members: dict[str, str] = {name: jwk.get(name, "") for name in _MEMBERS[jwk["kty"]]}
    if not all(isinstance(value, str) for value in members.values()) or not _is_usable(members, algorithm):
        raise ValueError(
            f"a key is none of RSA with {_LEAST_BITS} to {_MOST_BITS} bits, EC with P-256, Ed25519"
        )
    kid = jwk.get("kid", thumbprint(members))
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID or not kid.isprintable():
        raise ValueError(f"the kid of a key is no text of 1 to {_LONGEST_KID} characters")
    return members | {"kid": kid, "alg": algorithm}


def _is_usable(members: Mapping[str, str], algorithm: str) -> bool:
    try:
        key = ALGORITHMS[algorithm].from_jwk(dict(members))
    except (jwt.InvalidKeyError, ValueError):
        return False
    match key:
        case rsa.RSAPublicKey():
            return _LEAST_BITS <= key.key_size <= _MOST_BITS
        case ec.EllipticCurvePublicKey():
            return isinstance(key.curve, ec.SECP256R1)
        case _:
            return isinstance(key, ed25519.Ed25519PublicKey)


def _checksum(body: bytes) -> bytes:
    return sha256(PREFIX.encode() + body).digest()[:_CHECKSUM_LENGTH]
