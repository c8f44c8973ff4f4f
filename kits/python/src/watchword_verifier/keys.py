"""The issuer's public keys (RFC 7517). A key fixes the algorithm that it verifies (RFC 8725 section 3.1)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from watchword_verifier.errors import FetchError, InvalidToken, Reason
from watchword_verifier.jws import Jws

MAX_KEYS = 100
MAX_KID = 1024
"""Characters."""
RSA_BITS = range(2048, 8193)
"""Weaker keys can be broken; longer ones let a key set slow down every request."""
# The algorithms of a kind of key. The first is that of a key without `alg` (RFC 7517 section 4.4).
_ALGORITHMS: Mapping[tuple[object, object], tuple[str, ...]] = MappingProxyType(
    {
        ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        ("EC", "P-256"): ("ES256",),
        ("EC", "P-384"): ("ES384",),
        ("EC", "P-521"): ("ES512",),
        ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
    }
)
_PUBLIC_MEMBERS = ("kty", "crv", "n", "e", "x", "y")


class _Algorithm(Protocol):
    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool: ...  # noqa: ANN401 - a key of the algorithm's own type


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, parsed, with the one algorithm that it is for."""

    algorithm: str
    _implementation: _Algorithm
    _public_key: Any

    def verify(self, jws: Jws) -> None:
        """Return when the signature is good and made with the algorithm of this key.

        Raises:
            InvalidToken: The header names another algorithm, or the signature is wrong.
        """
        if jws.algorithm != self.algorithm:
            raise InvalidToken(Reason.ALGORITHM)
        if not self._implementation.verify(jws.signing_input, self._public_key, jws.signature):
            raise InvalidToken(Reason.SIGNATURE)


KeySet: TypeAlias = Mapping[str, Key]
"""Keys by ``kid``."""


def parse_key_set(document: bytes) -> KeySet:
    """The usable keys of a JWK set. A key that cannot be read is skipped, the others count.

    Raises:
        FetchError: The document is not a JWK set, or none of its keys can be used.
    """
    try:
        members = json.loads(document)["keys"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise FetchError("the answer is not a JWK set") from None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise FetchError("the answer is not a JWK set of acceptable size")
    keys: dict[str, Key] = {}
    for kid, key in _usable(members):
        keys.setdefault(kid, key)
    if not keys:
        raise FetchError("the key set has no usable key")
    return MappingProxyType(keys)


def _usable(members: list[object]) -> Iterator[tuple[str, Key]]:
    for member in members:
        if isinstance(member, dict) and isinstance(kid := member.get("kid"), str) and 0 < len(kid) <= MAX_KID:
            try:
                key = _parse_key(member)
            except Exception:  # noqa: BLE001, S112 - one key that cannot be read must not spoil the others
                continue
            if key is not None:
                yield kid, key


def _parse_key(jwk: dict[str, object]) -> Key | None:
    known = _ALGORITHMS.get((jwk.get("kty"), jwk.get("crv")), ())
    if not known or jwk.get("use", "sig") != "sig" or "verify" not in _operations(jwk):
        return None
    algorithm = jwk.get("alg", known[0])
    if algorithm not in known:
        return None
    implementation = jwt.get_algorithm_by_name("EdDSA" if jwk["kty"] == "OKP" else str(algorithm))
    # A private member, published by mistake, would make a private key of it.
    public_key = implementation.from_jwk({name: jwk[name] for name in _PUBLIC_MEMBERS if name in jwk})
    if isinstance(public_key, RSAPublicKey) and public_key.key_size not in RSA_BITS:
        return None
    return Key(str(algorithm), implementation, public_key)


def _operations(jwk: dict[str, object]) -> list[object]:
    operations = jwk.get("key_ops", ["verify"])
    return operations if isinstance(operations, list) else []
