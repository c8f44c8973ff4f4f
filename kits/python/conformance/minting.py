"""Access tokens of any shape, put together byte by byte with cryptography alone."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

LIFETIME = 900
Private: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Sign: TypeAlias = Callable[[bytes], bytes]


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def joined(header: bytes, payload: bytes, sign: Sign) -> str:
    """The two in compact serialisation, signed as they are."""
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(sign(signing_input.encode()))}"


def members(values: Mapping[str, Any], **as_json: str | None) -> bytes:
    """A JSON object of ``values``, some of them replaced by a piece of JSON text, or left out."""
    texts = {name: json.dumps(value) for name, value in values.items()} | as_json
    return (
        "{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text is not None) + "}"
    ).encode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of the issuer."""

    kid: str
    algorithm: str
    private: Private

    def sign(self, data: bytes) -> bytes:
        """The signature as JWS has it (RFC 7518 section 3, RFC 8037)."""
        match self.private:
            case rsa.RSAPrivateKey():
                return self.private.sign(data, padding.PKCS1v15(), SHA256())
            case ec.EllipticCurvePrivateKey():
                r, s = decode_dss_signature(
                    self.private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
                )
                return r.to_bytes(32) + s.to_bytes(32)
            case _:
                return self.private.sign(data)

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as the issuer publishes it."""
        common = {"kid": self.kid, "alg": self.algorithm, "use": "sig"}
        match self.private:
            case rsa.RSAPrivateKey():
                rsa_numbers = self.private.public_key().public_numbers()
                size = (rsa_numbers.n.bit_length() + 7) // 8
                return common | {"kty": "RSA", "n": b64(rsa_numbers.n.to_bytes(size)), "e": "AQAB"}
            case ec.EllipticCurvePrivateKey():
                numbers = self.private.public_key().public_numbers()
                point = {"x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
                return common | {"kty": "EC", "crv": "P-256"} | point
            case _:
                raw = self.private.public_key().public_bytes_raw()
                return common | {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}


@cache
def new_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    """A key of this name; the same one whenever it is asked for."""
    private: Private
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    return SigningKey(kid, algorithm, private)


@dataclass(frozen=True, slots=True)
class Mint:
    """What it takes to write an access token, and to write it wrong."""

    issuer: str
    audience: str
    key: SigningKey
    now: Callable[[], float]

    @property
    def header(self) -> dict[str, Any]:
        """The header of a good token."""
        return {"alg": self.key.algorithm, "kid": self.key.kid, "typ": "at+jwt"}

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of a good token that is issued now."""
        now = int(self.now())
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "5f1d7a52-9c2b-4a0e-8a53-1f0c2f8a3d11",
            "iat": now,
            "nbf": now - 30,
            "exp": now + LIFETIME,
            "jti": "n0NKq0bWb8WkFvJpJ1Yz9w",
            "sid": "0192f0c1-2c5e-7aaa-8bbb-0123456789ab",
            "client_id": "browser",
            "roles": ["admin", "editor"],
            "auth_time": now - 60,
            "amr": ["pwd"],
        }

    def token(
        self, header: bytes | None = None, payload: bytes | None = None, sign: Sign | None = None
    ) -> str:
        """A good token, apart from what is given. The signature covers what is sent."""
        return joined(
            members(self.header) if header is None else header,
            members(self.claims) if payload is None else payload,
            sign or self.key.sign,
        )

    def headed(self, **as_json: str | None) -> str:
        """A token whose header differs in these members, given as JSON text."""
        return self.token(header=members(self.header, **as_json))

    def claiming(self, **as_json: str | None) -> str:
        """A token whose payload differs in these members, given as JSON text."""
        return self.token(payload=members(self.claims, **as_json))
