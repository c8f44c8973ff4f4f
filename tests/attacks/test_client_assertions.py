"""Forged and odd assertions: each is refused as a whole, in one way, and never with a 5xx."""

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.clients import (
    GRANT,
    JWT_BEARER,
    ServiceClient,
    Signer,
    asserting,
    claims_of,
    new_client,
    new_signer,
    oauth_error,
    token_of,
)
from tests.support.database import Sql
from tests.support.servers import ISSUER
from tests.support.tokens import Sign, b64, joined, members, unb64

pytestmark = pytest.mark.requirement("S3")

KEY, RSA_KEY = new_signer(), Signer(rsa.generate_private_key(65537, 2048), "RS256")
STRANGER = new_signer()
NOW = int(datetime.now(UTC).timestamp())


@pytest.fixture
async def orders(sql: Sql) -> ServiceClient:
    return await new_client(sql, "a", keys=(KEY.jwk, RSA_KEY.jwk))


async def ask(client: httpx2.AsyncClient, form: dict[str, str]) -> httpx2.Response:
    return await client.post("/token", data=GRANT | form)


async def refused(client: httpx2.AsyncClient, assertion: str) -> str:
    return oauth_error(await ask(client, asserting(assertion)), 401, "invalid_client")


async def test_good_assertions_work_with_either_key_and_once(
    client: httpx2.AsyncClient, orders: ServiceClient
) -> None:
    """Without this, the refusals below would show nothing."""
    for key in (KEY, RSA_KEY):
        assertion = key.assertion(orders)
        assert (await ask(client, asserting(assertion))).status_code == 200
        await refused(client, assertion)
    named = asserting(KEY.assertion(orders)) | {"client_id": str(orders.id)}
    assert (await ask(client, named)).status_code == 200


def public_forms(key: Signer) -> list[bytes]:
    public = key.private_key.public_key()
    return [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(key.jwk).encode(),
    ]


def _mac(secret: bytes, digest: str, text: bytes) -> bytes:
    return hmac.digest(secret, text, digest)


@pytest.mark.parametrize("secret", public_forms(KEY) + public_forms(RSA_KEY) + [b"", b"secret"], ids=range(8))
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_the_public_key_is_no_shared_secret(
    client: httpx2.AsyncClient, orders: ServiceClient, secret: bytes, alg: str
) -> None:
    for key in (KEY, RSA_KEY):
        header = members(key.header() | {"alg": alg})
        sign: Sign = partial(_mac, secret, f"sha{alg[2:]}")
        forged = joined(header, members(claims_of(orders)), sign)
        await refused(client, forged)


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "RS512", "ES384", "PS256", "EdDSA", "", "rs256"]
)
async def test_no_other_algorithm_is_taken(
    client: httpx2.AsyncClient, orders: ServiceClient, alg: str
) -> None:
    for key in (KEY, RSA_KEY):
        header = members(key.header() | {"alg": alg})
        signed = key.assertion(orders, header=header)
        await refused(client, signed)
        await refused(client, signed.rpartition(".")[0] + ".")


HEADERS: list[dict[str, Any]] = [
    {"typ": None},
    {"typ": "JWT"},
    {"typ": "at+jwt"},
    {"typ": "application/client-authentication+jwt"},
    {"kid": None},
    {"kid": RSA_KEY.jwk["kid"]},
    {"kid": "unknown"},
    {"kid": "../../../../dev/null"},
    {"kid": "' OR 1=1 --"},
    {"kid": 1},
    {"kid": [KEY.jwk["kid"]]},
    {"crit": ["exp"]},
    {"b64": False},
    {"zip": "DEF"},
    {"cty": "JWT"},
    {"alg": ["ES256"]},
    {"alg": None},
]


@pytest.mark.parametrize("changes", HEADERS, ids=range(len(HEADERS)))
async def test_another_header_is_refused(
    client: httpx2.AsyncClient, orders: ServiceClient, changes: dict[str, Any]
) -> None:
    header = {name: value for name, value in (KEY.header() | changes).items() if value is not None}
    await refused(client, KEY.assertion(orders, header=members(header)))


async def test_a_key_in_the_header_counts_for_nothing(
    client: httpx2.AsyncClient, orders: ServiceClient
) -> None:
    for extra in (
        {"jwk": STRANGER.jwk},
        {"jku": "http://127.0.0.1:1/jwks.json"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
        {"kid": STRANGER.jwk["kid"], "jwk": STRANGER.jwk},
    ):
        header = members(KEY.header() | extra)
        await refused(client, STRANGER.assertion(orders, header=header))


NO_CLAIMS: list[object] = [None, "", 7, [], {}, True]
CLAIMS: list[dict[str, Any]] = [
    *({name: value} for name in ("iss", "sub", "aud", "exp", "jti") for value in NO_CLAIMS),
    {"aud": f"{ISSUER}/token"},
    {"aud": f"{ISSUER}/"},
    {"aud": [ISSUER]},
    {"aud": [ISSUER, "https://other.example"]},
    {"aud": "https://other.example"},
    {"iss": "orders", "sub": "orders"},
    {"iss": "00000000-0000-0000-0000-000000000000", "sub": "00000000-0000-0000-0000-000000000000"},
    {"exp": NOW - 3600},
    {"exp": NOW + 3600},
    {"exp": 10**30},
    {"exp": -1},
    {"nbf": NOW + 3600},
    {"iat": NOW + 3600},
    {"iat": "now"},
    {"jti": "x" * 300},
    {"jti": "\ud800"},
]


@pytest.mark.parametrize("changes", CLAIMS, ids=range(len(CLAIMS)))
async def test_another_claim_is_refused(
    client: httpx2.AsyncClient, orders: ServiceClient, changes: dict[str, Any]
) -> None:
    claims = {name: value for name, value in (claims_of(orders) | changes).items() if value is not None}
    await refused(client, KEY.assertion(orders, payload=members(claims)))


@pytest.mark.parametrize(
    "text",
    ['"exp": NaN', '"exp": Infinity', '"exp": 1e400', '"iss": "a", "iss": "b"', '"deep": ' + "[" * 3000],
)
async def test_odd_json_is_refused(client: httpx2.AsyncClient, orders: ServiceClient, text: str) -> None:
    payload = members(claims_of(orders))[:-1] + b"," + text.encode() + b"}"
    await refused(client, KEY.assertion(orders, payload=payload))


def _swapped(text: str) -> str:
    header, payload, signature = text.split(".")
    claims = json.loads(unb64(payload)) | {"jti": "another"}
    return f"{header}.{b64(json.dumps(claims).encode())}.{signature}"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "padded": lambda text: text + "==",
    "a space": lambda text: text + " ",
    "a line": lambda text: text + "\n",
    "four parts": lambda text: text + ".",
    "two parts": lambda text: text.rpartition(".")[0],
    "five parts": lambda text: text + ".a.b",
    "no signature": lambda text: text.rpartition(".")[0] + ".",
    "a short signature": lambda text: text[:-4],
    "a zero signature": lambda text: f"{text.rpartition('.')[0]}.{b64(bytes(64))}",
    "an empty header": lambda text: "." + text.partition(".")[2],
    "another client's claims": _swapped,
    "too long": lambda text: f"{text[:-1]}{'A' * 9000}",
    "not ascii": lambda text: text + "é",
    "a NUL": lambda text: text + "\x00",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_another_spelling_is_refused_and_uses_nothing_up(
    client: httpx2.AsyncClient, orders: ServiceClient, spelling: str
) -> None:
    good = KEY.assertion(orders)
    await refused(client, SPELLINGS[spelling](good))
    assert (await ask(client, asserting(good))).status_code == 200


async def test_every_refusal_has_the_same_words(client: httpx2.AsyncClient, orders: ServiceClient) -> None:
    used = KEY.assertion(orders)
    await ask(client, asserting(used))
    expired = KEY.assertion(orders, payload=members(claims_of(orders) | {"exp": NOW - 3600}))
    words = {await refused(client, text) for text in (used, expired, STRANGER.assertion(orders), "garbage")}
    assert len(words) == 1


async def test_an_assertion_of_one_client_proves_no_other(client: httpx2.AsyncClient, sql: Sql) -> None:
    """Also when both have registered one key."""
    one, other = [await new_client(sql, "a", keys=(KEY.jwk,)) for _ in range(2)]
    form = asserting(KEY.assertion(one))
    oauth_error(await ask(client, form | {"client_id": str(other.id)}), 401, "invalid_client")
    oauth_error(await ask(client, form | {"client_id": other.name}), 401, "invalid_client")


@pytest.mark.parametrize(
    "form",
    [
        {"client_assertion": "x"},
        {"client_assertion_type": JWT_BEARER},
        {"client_assertion": "", "client_assertion_type": JWT_BEARER},
        {
            "client_assertion": "x",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        },
        {"client_assertion": "x", "client_assertion_type": JWT_BEARER.upper()},
    ],
)
async def test_half_an_assertion_or_one_of_another_type_is_refused(
    client: httpx2.AsyncClient, form: dict[str, str]
) -> None:
    oauth_error(await ask(client, form), 401, "invalid_client")


async def test_no_other_token_of_ours_is_an_assertion(client: httpx2.AsyncClient, sql: Sql) -> None:
    """An access token has the issuer's signature, and its client as its subject."""
    orders = await new_client(sql, "a", keys=(KEY.jwk,))
    await refused(client, await token_of(client, orders))


async def test_a_curve_of_another_key_does_not_verify(client: httpx2.AsyncClient, sql: Sql) -> None:
    """The signature of a key on a larger curve under the kid and alg of the registered one."""
    orders = await new_client(sql, "a", keys=(KEY.jwk,))
    larger = Signer(ec.generate_private_key(ec.SECP384R1()), "ES384")
    await refused(client, larger.assertion(orders, header=members(KEY.header())))
