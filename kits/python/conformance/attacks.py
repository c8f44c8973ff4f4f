"""Forged headers, keys and signatures; and all attacks by name.

Every signature is over what is sent, so it gives an attack away only where it is the attack itself.
"""

import hmac
import json
from collections.abc import Callable
from itertools import product
from zlib import compress

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from conformance.attack import Attack, header, signed
from conformance.claims import CLAIMS, TIMES
from conformance.minting import Mint, Sign, SigningKey, members
from conformance.spellings import SPELLINGS


def _rsa(mint: Mint) -> rsa.RSAPrivateKey:
    if not isinstance(mint.key.private, rsa.RSAPrivateKey):
        raise TypeError("the attacks are on an RSA key")
    return mint.key.private


def _hashed(algorithm: HashAlgorithm, *, pss: bool = False) -> Callable[[Mint], Sign]:
    scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if pss else padding.PKCS1v15()
    return lambda mint: lambda data: _rsa(mint).sign(data, scheme, algorithm)


def _hmac(name: str, secret: Callable[[Mint], bytes]) -> Attack:
    def sign(mint: Mint) -> Sign:
        return lambda data: hmac.digest(secret(mint), data, f"sha{name[2:]}")

    return signed("algorithm", sign, alg=f'"{name}"')


def _public(encoding: Encoding, form: PublicFormat) -> Callable[[Mint], bytes]:
    return lambda mint: _rsa(mint).public_key().public_bytes(encoding, form)


_SECRETS: dict[str, Callable[[Mint], bytes]] = {
    "PEM": _public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "PKCS1 PEM": _public(Encoding.PEM, PublicFormat.PKCS1),
    "DER": _public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "JWK text": lambda mint: json.dumps(mint.key.jwk, separators=(",", ":")).encode(),
    "modulus in base64url": lambda mint: mint.key.jwk["n"].encode(),
    "empty text": lambda _: b"",
}


def _unsigned(none: str) -> Attack:
    # Nothing is left behind the second dot.
    return Attack(
        "malformed", lambda mint: mint.token(members(mint.header, alg=f'"{none}"'), sign=lambda _: b"")
    )


ALGORITHMS: dict[str, Attack] = (
    {f"alg {none} without a signature": _unsigned(none) for none in ("none", "None", "NONE", "nOnE")}
    | {f"alg {none} with a good signature": header("algorithm", alg=f'"{none}"') for none in ("none", "NONE")}
    | {
        f"{name} with the public key as the secret, as {form}": _hmac(name, secret)
        for name, (form, secret) in product(("HS256", "HS512"), _SECRETS.items())
    }
    | {
        "alg RS384, signed so": signed("algorithm", _hashed(SHA384()), alg='"RS384"'),
        "alg PS256, signed so": signed("algorithm", _hashed(SHA256(), pss=True), alg='"PS256"'),
        "alg RS256 over an RS512 signature": signed("signature", _hashed(SHA512())),
        "alg RS256 over a PS256 signature": signed("signature", _hashed(SHA256(), pss=True)),
        "alg ES256 with zeros as signature": signed(
            "algorithm", lambda _: lambda _: bytes(64), alg='"ES256"'
        ),
        "alg in lower case": header("algorithm", alg='"rs256"'),
        "alg missing": header("algorithm", alg=None),
        "alg null": header("algorithm", alg="null"),
        "alg a list": header("algorithm", alg='["RS256"]'),
    }
)
KIDS: dict[str, Attack] = {
    "kid unknown": header("unknown_key", kid='"unknown"'),
    "kid a path": header("unknown_key", kid='"../../../../dev/null"'),
    "kid an SQL injection": header("unknown_key", kid="\"x' OR '1'='1' --\""),
    "kid with a line feed": header("unknown_key", kid='"x\\r\\nlevel: admin"'),
    "kid with a lone surrogate": header("unknown_key", kid='"\\ud800"'),
    "kid very long": header("unknown_key", kid=f'"{"k" * 5000}"'),
    "kid empty": header("unknown_key", kid='""'),
    "kid missing": header("unknown_key", kid=None),
    "kid null": header("unknown_key", kid="null"),
    "kid a number": header("unknown_key", kid="0"),
    "kid a list": header("unknown_key", kid='["x"]'),
}
HEADERS: dict[str, Attack] = {
    "crit": header("type", crit='["exp"]', exp="1"),
    "crit empty": header("type", crit="[]"),
    "b64 false": header("type", b64="false", crit='["b64"]'),
    "zip over a compressed payload": Attack(
        "type",
        lambda mint: mint.token(
            members(mint.header, zip='"DEF"'), compress(members(mint.claims), level=0, wbits=-15)
        ),
    ),
    "cty JWT around a good token": Attack(
        "type", lambda mint: mint.token(members(mint.header, cty='"JWT"'), mint.token().encode())
    ),
    "enc": header("type", enc='"A256GCM"'),
    "typ missing": header("type", typ=None),
    "typ JWT": header("type", typ='"JWT"'),
    "typ of a status list": header("type", typ='"statuslist+jwt"'),
    "typ null": header("type", typ="null"),
    "typ a list": header("type", typ='["at+jwt"]'),
}


def _flipped(mint: Mint) -> Sign:
    def sign(data: bytes) -> bytes:
        good = mint.key.sign(data)
        return good[:-1] + bytes([good[-1] ^ 1])

    return sign


def _by_a_stranger(stranger: SigningKey) -> dict[str, Attack]:
    named = json.dumps(stranger.jwk)
    return {
        "signed by a stranger": signed("signature", lambda _: stranger.sign),
        "signed by a stranger whose key is in jwk": signed("signature", lambda _: stranger.sign, jwk=named),
        "signed by a stranger whose keys are at jku": signed(
            "signature", lambda _: stranger.sign, jku='"http://127.0.0.1:1/jwks.json"'
        ),
    }


SIGNATURES: dict[str, Attack] = {
    "a payload of another token": Attack(
        "signature", lambda mint: _mixed(mint.token(), mint.claiming(roles='["root"]'))
    ),
    "a signature with one bit changed": signed("signature", _flipped),
    "a signature of zeros": signed("signature", lambda _: lambda _: bytes(256)),
    "a signature cut short": signed("signature", lambda mint: lambda data: mint.key.sign(data)[:-1]),
    "a signature with a zero in front": signed(
        "signature", lambda mint: lambda data: b"\0" + mint.key.sign(data)
    ),
}


def _mixed(token: str, other: str) -> str:
    parts = token.split(".")
    return f"{parts[0]}.{other.split('.')[1]}.{parts[2]}"


def attacks(stranger: SigningKey) -> dict[str, Attack]:
    """All attacks by name. The mint must have an RSA key, and the stranger another one."""
    return SPELLINGS | ALGORITHMS | KIDS | HEADERS | SIGNATURES | _by_a_stranger(stranger) | CLAIMS | TIMES
