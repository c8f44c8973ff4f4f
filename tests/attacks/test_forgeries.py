"""Forged headers, keys and signatures, presented to the real service: all are refused, none is an error.

Each attack differs from a good token in what its name says; the good one is accepted. What is signed, is
signed over what is sent, so that the signature is never what gives an attack away unless it is the attack.
"""

import json
from collections.abc import Callable
from hmac import digest
from itertools import product
from typing import TypeAlias
from zlib import compress

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.dev import Servers
from tests.support.people import me
from tests.support.servers import Service
from tests.support.tokens import Mint, Sign, assert_refused, b64, members, mint_for_somebody, rs256

pytestmark = pytest.mark.requirement("T1")

Attack: TypeAlias = Callable[[Mint], str]

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGERS_EC = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
async def mint(service: Service, migrated: Servers) -> Mint:
    return await mint_for_somebody(service, migrated.database_url)


def attacks(*groups: dict[str, Attack]) -> pytest.MarkDecorator:
    named = [pytest.param(attack, id=name) for group in groups for name, attack in group.items()]
    return pytest.mark.parametrize("attack", named)


def with_header(**as_json: str | None) -> Attack:
    return lambda mint: mint.headed(**as_json)


def signed_by(sign: Callable[[Mint], Sign], **as_json: str | None) -> Attack:
    return lambda mint: mint.token(header=members(mint.header, **as_json), sign=sign(mint))


def _hashed(hash_: HashAlgorithm, *, pss: bool = False) -> Callable[[Mint], Sign]:
    scheme = padding.PSS(padding.MGF1(hash_), hash_.digest_size) if pss else padding.PKCS1v15()
    return lambda mint: lambda signing_input: mint.private_key.sign(signing_input, scheme, hash_)


def _es256(signing_input: bytes) -> bytes:
    r, s = decode_dss_signature(STRANGERS_EC.sign(signing_input, ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _public(encoding: Encoding, form: PublicFormat) -> Callable[[Mint], bytes]:
    return lambda mint: mint.private_key.public_key().public_bytes(encoding, form)


def _modulus(mint: Mint) -> bytes:
    return mint.private_key.public_key().public_numbers().n.to_bytes(256)


def _jwk(mint: Mint) -> bytes:
    described = {
        "alg": "RS256",
        "e": "AQAB",
        "kid": mint.kid,
        "kty": "RSA",
        "n": b64(_modulus(mint)),
        "use": "sig",
    }
    return json.dumps(described, separators=(",", ":")).encode()


PUBLIC_KEY_AS_SECRET: dict[str, Callable[[Mint], bytes]] = {
    "PEM": _public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "PEM without its last newline": lambda mint: PUBLIC_KEY_AS_SECRET["PEM"](mint).rstrip(),
    "PKCS1 PEM": _public(Encoding.PEM, PublicFormat.PKCS1),
    "DER": _public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "JWK text": _jwk,
    "modulus": _modulus,
    "modulus in base64url": lambda mint: b64(_modulus(mint)).encode(),
    "empty secret": lambda _: b"",
}


def _hmac(algorithm: str, secret: Callable[[Mint], bytes]) -> Attack:
    def sign(mint: Mint) -> Sign:
        return lambda signing_input: digest(secret(mint), signing_input, f"sha{algorithm[2:]}")

    return signed_by(sign, alg=f'"{algorithm}"')


def _unsigned(alg: str) -> Attack:
    return lambda mint: f"{b64(members(mint.header, alg=alg))}.{b64(members(mint.claims))}."


NONE_IN_ALL_CASES = ["".join(letters) for letters in product("nN", "oO", "nN", "eE")]
ALGORITHMS = (
    {f"alg {none} without a signature": _unsigned(f'"{none}"') for none in NONE_IN_ALL_CASES}
    | {f"alg {none} with a good RS256 signature": with_header(alg=f'"{none}"') for none in NONE_IN_ALL_CASES}
    | {
        f"{algorithm} with the public key as secret, as {form}": _hmac(algorithm, secret)
        for algorithm, (form, secret) in product(("HS256", "HS384", "HS512"), PUBLIC_KEY_AS_SECRET.items())
    }
    | {
        "alg RS384, signed so with the right key": signed_by(_hashed(SHA384()), alg='"RS384"'),
        "alg RS512, signed so with the right key": signed_by(_hashed(SHA512()), alg='"RS512"'),
        "alg PS256, signed so with the right key": signed_by(_hashed(SHA256(), pss=True), alg='"PS256"'),
        "alg RS256 over an RS384 signature": signed_by(_hashed(SHA384())),
        "alg RS256 over a PS256 signature": signed_by(_hashed(SHA256(), pss=True)),
        "alg ES256 under the RSA key's kid, by a stranger": signed_by(lambda _: _es256, alg='"ES256"'),
        "alg ES256 with a signature of zeros": signed_by(lambda _: lambda _: bytes(64), alg='"ES256"'),
        "alg EdDSA under the RSA key's kid, by a stranger": signed_by(
            lambda _: ed25519.Ed25519PrivateKey.generate().sign, alg='"EdDSA"'
        ),
        "alg of an unknown name": with_header(alg='"XS256"'),
        "alg in lower case": with_header(alg='"rs256"'),
        "alg missing": with_header(alg=None),
        "alg empty": with_header(alg='""'),
        "alg null": with_header(alg="null"),
        "alg a number": with_header(alg="256"),
        "alg a list": with_header(alg='["RS256"]'),
        "alg an object": with_header(alg="{}"),
    }
)
KIDS = {
    "kid unknown": with_header(kid='"nobody"'),
    "kid of the standby key over the signing key's signature": lambda mint: mint.headed(
        kid=json.dumps(mint.standby.kid)
    ),
    "kid a path out of the folder": with_header(kid='"../../../../../../dev/null"'),
    "kid a path, with the secret that it would lead to": signed_by(
        lambda _: lambda signing_input: digest(b"", signing_input, "sha256"), alg='"HS256"', kid='"/dev/null"'
    ),
    "kid an SQL injection": with_header(kid="\"x' OR '1'='1' --\""),
    "kid an SQL union": with_header(kid="\"x' UNION SELECT 'key' --\""),
    "kid with a NUL behind it": lambda mint: mint.headed(kid=f'"{mint.kid}\\u0000"'),
    "kid with CR and LF": lambda mint: mint.headed(kid=f'"{mint.kid}\\r\\nlevel: admin"'),
    "kid with a lone surrogate": with_header(kid='"\\ud800"'),
    "kid very long": with_header(kid=f'"{"k" * 5000}"'),
    "kid with a space behind it": lambda mint: mint.headed(kid=f'"{mint.kid} "'),
    "kid in the other case": lambda mint: mint.headed(kid=f'"{mint.kid.swapcase()}"'),
    "kid empty": with_header(kid='""'),
    "kid missing": with_header(kid=None),
    "kid null": with_header(kid="null"),
    "kid a number": with_header(kid="0"),
    "kid true": with_header(kid="true"),
    "kid a list of the right one": lambda mint: mint.headed(kid=f'["{mint.kid}"]'),
    "kid an object": with_header(kid="{}"),
}
FOREIGN_MEMBERS = {
    "crit with a member that is there": with_header(crit='["exp"]', exp="1"),
    "crit empty": with_header(crit="[]"),
    "crit null": with_header(crit="null"),
    "crit b64 with b64 false": with_header(crit='["b64"]', b64="false"),
    "b64 false": with_header(b64="false"),
    "b64 true": with_header(b64="true"),
    "zip over a compressed payload": lambda mint: mint.token(
        members(mint.header, zip='"DEF"'), compress(members(mint.claims), wbits=-15)
    ),
    "zip over a plain payload": with_header(zip='"DEF"'),
    "cty JWT around a good token": lambda mint: mint.token(
        members(mint.header, cty='"JWT"'), mint.token().encode()
    ),
    "cty JWT over plain claims": with_header(cty='"JWT"'),
    "enc, as an encrypted token has it": with_header(enc='"A256GCM"'),
    "typ missing": with_header(typ=None),
    "typ JWT": with_header(typ='"JWT"'),
    "typ with the prefix application/": with_header(typ='"application/at+jwt"'),
    "typ of another kind of token": with_header(typ='"dpop+jwt"'),
    "typ null": with_header(typ="null"),
    "typ a list": with_header(typ='["at+jwt"]'),
}
SIGNATURES: dict[str, Attack] = {
    "a payload changed after signing": lambda mint: _with_payload_of(
        mint.token(), mint.claiming(roles='["root"]')
    ),
    "a signature of another token": lambda mint: _with_signature_of(mint.token(), mint.token()),
    "a signature with one bit changed": lambda mint: mint.token(sign=lambda data: _flipped(mint.sign(data))),
    "a signature of zeros": lambda mint: mint.token(sign=lambda _: bytes(256)),
    "a signature cut short": lambda mint: mint.token(sign=lambda data: mint.sign(data)[:-1]),
    "a signature with a zero in front": lambda mint: mint.token(sign=lambda data: b"\0" + mint.sign(data)),
    "a signature by a stranger": lambda mint: mint.token(sign=rs256(STRANGER)),
}


def _with_payload_of(token: str, other: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{other.split('.')[1]}.{signature}"


def _with_signature_of(token: str, other: str) -> str:
    return f"{token.rpartition('.')[0]}.{other.rpartition('.')[2]}"


def _flipped(signature: bytes) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1])


@attacks(ALGORITHMS, KIDS, FOREIGN_MEMBERS, SIGNATURES)
async def test_a_forged_token_is_refused(client: httpx.AsyncClient, mint: Mint, attack: Attack) -> None:
    await assert_refused(client, attack(mint))


async def test_the_token_that_all_attacks_start_from_is_accepted(
    client: httpx.AsyncClient, mint: Mint
) -> None:
    answer = await me(client, mint.token())

    assert (answer.status_code, answer.json()["id"]) == (200, str(mint.account_id))


async def test_a_header_with_a_member_that_means_nothing_is_accepted(
    client: httpx.AsyncClient, mint: Mint
) -> None:
    assert (await me(client, mint.headed(x='"y"'))).status_code == 200
