"""Claims that the service never issues, under its own good signature: all are refused, none is an error."""

from collections.abc import Callable
from itertools import product
from uuid import uuid4

import httpx
import pytest

from app.dev import Servers
from tests.support.people import me
from tests.support.servers import Service
from tests.support.tokens import LEEWAY, LIFETIME, Mint, assert_refused, members, mint_for_somebody

pytestmark = pytest.mark.requirement("T3", "T5")

Claims = Callable[[Mint], dict[str, str | None]]
"""The members of the payload that differ, as JSON text; None leaves one out."""

MARGIN = 20  # Seconds that a test may take from minting to the answer; exact bounds are the domain's tests.


@pytest.fixture(scope="module")
async def mint(service: Service, migrated: Servers) -> Mint:
    return await mint_for_somebody(service, migrated.database_url)


def claim(name: str, text: str | None) -> Claims:
    return lambda _: {name: text}


def rewritten(name: str, rewrite: Callable[[str], str]) -> Claims:
    """The right value of a claim, in a spelling or type that is wrong."""
    return lambda mint: {name: rewrite(str(mint.claims[name]))}


def shifted(**seconds: int) -> Claims:
    """Times that lie so many seconds from where they ought to."""
    return lambda mint: {name: str(mint.claims[name] + shift) for name, shift in seconds.items()}


TIMES: dict[str, Callable[[str], str]] = {
    "a string": lambda value: f'"{value}"',
    "a float": lambda value: f"{value}.0",
    "in scientific notation": lambda value: f"{value}e0",
    "true": lambda _: "true",
    "false": lambda _: "false",
    "null": lambda _: "null",
    "negative": lambda _: "-1",
    "infinite as 1e400": lambda _: "1e400",
    "10**30": lambda _: str(10**30),
    "2**63": lambda _: str(2**63),
    "of 5000 digits": lambda _: "9" * 5000,
    "NaN": lambda _: "NaN",
    "Infinity": lambda _: "Infinity",
    "-Infinity": lambda _: "-Infinity",
    "a list": lambda value: f"[{value}]",
    "an object": lambda _: "{}",
}
OF_THE_WRONG_TYPE: dict[str, Claims] = {
    f"{name} {what}": rewritten(name, rewrite)
    for name, (what, rewrite) in product(("exp", "iat", "nbf", "auth_time"), TIMES.items())
}
OUT_OF_TIME: dict[str, Claims] = {
    "expired longer ago than the leeway": shifted(
        exp=-LIFETIME - LEEWAY - 1, iat=-LIFETIME - LEEWAY - 1, nbf=-LIFETIME - LEEWAY - 1
    ),
    "issued further ahead than the leeway": shifted(iat=LEEWAY + MARGIN, exp=LEEWAY + MARGIN),
    "not to be used before longer than the leeway": shifted(nbf=2 * LEEWAY + MARGIN),
    "living longer than the lifetime": shifted(exp=1),
    "living longer than the lifetime by a year": shifted(exp=365 * 86_400),
    "ending where years have five digits": claim("exp", "253402300800"),
}
ABSENT: dict[str, Claims] = {
    f"without {name}": claim(name, None)
    for name in [
        "iss",
        "aud",
        "sub",
        "iat",
        "nbf",
        "exp",
        "jti",
        "sid",
        "client_id",
        "auth_time",
        "amr",
    ]
}
STRANGE: dict[str, Claims] = {
    "aud an array of the right one": rewritten("aud", lambda value: f'["{value}"]'),
    "aud an array of two": rewritten("aud", lambda value: f'["{value}","https://other.example.com"]'),
    "aud of another service": claim("aud", '"https://other.example.com"'),
    "aud with a slash behind it": rewritten("aud", lambda value: f'"{value}/"'),
    "aud null": claim("aud", "null"),
    "iss another one": claim("iss", '"https://other.example.com"'),
    "iss with a slash behind it": rewritten("iss", lambda value: f'"{value}/"'),
    "iss in upper case": rewritten("iss", lambda value: f'"{value.upper()}"'),
    "iss a list": rewritten("iss", lambda value: f'["{value}"]'),
    "iss null": claim("iss", "null"),
    "sub not a UUID": claim("sub", '"admin"'),
    "sub a UUID in upper case": rewritten("sub", lambda value: f'"{value.upper()}"'),
    "sub a UUID without hyphens": rewritten("sub", lambda value: f'"{value.replace("-", "")}"'),
    "sub a UUID in braces": rewritten("sub", lambda value: f'"{{{value}}}"'),
    "sub a UUID as URN": rewritten("sub", lambda value: f'"urn:uuid:{value}"'),
    "sub a number": claim("sub", "1"),
    "sub empty": claim("sub", '""'),
    "sub with a lone surrogate": claim("sub", '"\\ud800"'),
    "sub of nobody": claim("sub", f'"{uuid4()}"'),
    "sid not a UUID": claim("sid", '"*"'),
    "sid a list": rewritten("sid", lambda value: f'["{value}"]'),
    "jti empty": claim("jti", '""'),
    "jti a number": claim("jti", "1"),
    "jti a list": claim("jti", '["x"]'),
    "jti with a lone surrogate": claim("jti", '"\\ud800"'),
    "client_id unknown": claim("client_id", '"robot"'),
    "client_id a list": claim("client_id", '["native"]'),
    "client_id null": claim("client_id", "null"),
    "roles a string": claim("roles", '"admin"'),
    "roles of numbers": claim("roles", "[1]"),
    "roles an object": claim("roles", '{"admin":true}'),
    "amr a string": claim("amr", '"pwd"'),
    "amr of null": claim("amr", "[null]"),
    "a stray number of 5000 digits": claim("x", "9" * 5000),
    "a stray NaN": claim("x", "NaN"),
    "a stray nest of 2000 arrays": claim("x", "[" * 2000 + "]" * 2000),
}


def named(*groups: dict[str, Claims]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "changes", [pytest.param(changes, id=name) for group in groups for name, changes in group.items()]
    )


@named(OF_THE_WRONG_TYPE, OUT_OF_TIME, ABSENT, STRANGE)
async def test_a_signed_token_with_a_claim_that_does_not_hold_is_refused(
    client: httpx.AsyncClient, mint: Mint, changes: Claims
) -> None:
    await assert_refused(client, mint.claiming(**changes(mint)))


@named(
    {
        "nothing changed": lambda _: {},
        "expired within the leeway": shifted(exp=-LIFETIME, iat=-LIFETIME, nbf=-LIFETIME),
        "issued ahead within the leeway": shifted(iat=LEEWAY - MARGIN, exp=LEEWAY - MARGIN),
        "not to be used before, within the leeway": shifted(nbf=2 * LEEWAY - MARGIN),
        "of a browser": claim("client_id", '"browser"'),
        "with roles": claim("roles", '["admin","editor"]'),
        "with a claim that means nothing": claim("x", '{"y":[1.5,null]}'),
        "a stray nest of 20 arrays": claim("x", "[" * 20 + "]" * 20),
    }
)
async def test_the_same_token_with_claims_that_hold_is_accepted(
    client: httpx.AsyncClient, mint: Mint, changes: Claims
) -> None:
    answer = await me(client, mint.claiming(**changes(mint)))

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "payload", [b"[]", b'"text"', b"1", b"null", b"true", b"{", b"{}", b"{} {}", b"[" * 5000]
)
async def test_a_signed_payload_that_is_no_set_of_claims_is_refused(
    client: httpx.AsyncClient, mint: Mint, payload: bytes
) -> None:
    await assert_refused(client, mint.token(payload=payload))


async def test_a_token_signed_by_the_published_standby_key_under_its_own_kid_is_accepted(
    client: httpx.AsyncClient, mint: Mint
) -> None:
    """Verifiers elsewhere accept it, so that a key may start to sign while views of it differ."""
    token = mint.token(members(mint.header, kid=f'"{mint.standby.kid}"'), sign=mint.standby_sign)

    assert (await me(client, token)).status_code == 200
