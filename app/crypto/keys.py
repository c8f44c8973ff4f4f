"""Signing keys: generated, named by their thumbprint, sealed at rest, published as JWKs."""

import os
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import assert_never

import jwt
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from app.crypto.secrets import SECRET_ID_LENGTH, ServiceSecrets
from app.domain.keys import Algorithm, KeyKind, SealedKey

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_NONCE_LENGTH = 12
# The members of a public key that its thumbprint covers (RFC 7638 section 3.2, RFC 8037 section 2).
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class UnopenableKeyError(Exception):
    """No listed service secret opens a signing key."""


class KeyMaker:
    """Generates, seals and opens key pairs with the service's secrets."""

    def __init__(self, secrets: ServiceSecrets) -> None:
        self._secrets = secrets

    def make(self, kind: KeyKind) -> SealedKey:
        """A new key pair, sealed under the newest secret; RSA takes from 0.1 s to several seconds of CPU."""
        private_key = _generate(kind)
        public_jwk = _public_jwk(private_key, kind.algorithm)
        kid = public_jwk["kid"]
        return SealedKey(kid, kind.algorithm, public_jwk, self._seal(private_key, kid, kind.algorithm))

    def knows(self, key: SealedKey) -> bool:
        """Whether the secret that sealed the key is listed."""
        return self._secrets.find(key.sealed_private_key[:SECRET_ID_LENGTH]) is not None

    def open(self, key: SealedKey) -> PrivateKey:
        """The private key, parsed; raises UnopenableKeyError when no listed secret opens it."""
        secret_id, rest = key.sealed_private_key[:SECRET_ID_LENGTH], key.sealed_private_key[SECRET_ID_LENGTH:]
        secret = self._secrets.find(secret_id)
        if secret is None:
            raise UnopenableKeyError(key.kid)
        label = _label(key.kid, key.algorithm)
        try:
            der = AESGCM(secret.seal_key).decrypt(rest[:_NONCE_LENGTH], rest[_NONCE_LENGTH:], label)
            # The tag proves that it is the key that was made here; to check its primes takes 50 ms.
            private_key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        except (InvalidTag, ValueError):
            raise UnopenableKeyError(key.kid) from None
        if not isinstance(private_key, PrivateKey):
            raise UnopenableKeyError(key.kid)
        return private_key

    def reseal(self, key: SealedKey) -> bytes | None:
        """The private key sealed under the newest secret, or None when it already is.

        Raises UnopenableKeyError when no listed secret opens it.
        """
        if key.sealed_private_key.startswith(self._secrets.newest.id):
            return None
        return self._seal(self.open(key), key.kid, key.algorithm)

    def _seal(self, private_key: PrivateKey, kid: str, algorithm: Algorithm) -> bytes:
        der = private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        secret, nonce = self._secrets.newest, os.urandom(_NONCE_LENGTH)
        return secret.id + nonce + AESGCM(secret.seal_key).encrypt(nonce, der, _label(kid, algorithm))


def thumbprint(jwk: dict[str, str]) -> str:
    """The JWK's SHA-256 thumbprint, base64url without padding (RFC 7638)."""
    required = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    return _base64url(sha256(orjson.dumps(required, option=orjson.OPT_SORT_KEYS)).digest())


def _generate(kind: KeyKind) -> PrivateKey:
    match kind.algorithm:
        case Algorithm.RS256:
            assert kind.rsa_bits is not None  # noqa: S101 - tells mypy that an RSA kind has a length
            return rsa.generate_private_key(public_exponent=65537, key_size=kind.rsa_bits)
        case Algorithm.ES256:
            return ec.generate_private_key(ec.SECP256R1())
        case Algorithm.EDDSA:
            return ed25519.Ed25519PrivateKey.generate()
        case never:
            assert_never(never)


def _public_jwk(private_key: PrivateKey, algorithm: Algorithm) -> dict[str, str]:
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(private_key.public_key(), as_dict=True)
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    return members | {"kid": thumbprint(members), "use": "sig", "alg": algorithm.value}


def _label(kid: str, algorithm: Algorithm) -> bytes:
    """The associated data: a sealed key does not open under another ``kid`` or algorithm."""
    return f"{kid}.{algorithm}".encode()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
