"""POST /token from outside: what a client gets, and how it is refused (RFC 6749 sections 4.4 and 5)."""

import json
from base64 import b64encode
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest

from app.features.clients.crypto import new_secret
from tests.support.clients import (
    GRANT,
    asserting,
    basic,
    new_client,
    new_signer,
    oauth_error,
    proof,
    token_of,
)
from tests.support.database import Sql
from tests.support.people import bearing, problem_of
from tests.support.servers import ISSUER
from tests.support.tokens import unb64

pytestmark = pytest.mark.requirement("S4")


async def test_a_client_gets_a_token_that_independent_verifiers_accept(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    orders = await new_client(sql, "introspect", "orders:read")
    answer = await client.post("/token", data=GRANT, headers=proof(orders))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == (
        *("Bearer", 900),
        "introspect orders:read",
    )
    keys = jwt.PyJWKSet.from_dict((await client.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(body["access_token"])
    claims = jwt.decode(
        body["access_token"],
        keys[header["kid"]],
        audience=ISSUER,
        issuer=ISSUER,
        options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "client_id"]},
    )
    assert header["typ"] == "at+jwt"
    assert claims["sub"] == claims["client_id"] == str(orders.id)
    assert (claims["scope"], claims["exp"] - claims["iat"]) == ("introspect orders:read", 900)
    assert "sid" not in claims
    assert len(unb64(claims["jti"])) == 16


async def test_each_token_has_an_id_of_its_own(client: httpx2.AsyncClient, sql: Sql) -> None:
    orders = await new_client(sql, "a")
    tokens = [await token_of(client, orders) for _ in range(2)]
    first, second = (json.loads(unb64(token.split(".")[1]))["jti"] for token in tokens)
    assert first != second


@pytest.mark.parametrize(
    ("requested", "granted"),
    [({"scope": "b"}, "b"), ({"scope": "b a"}, "a b"), ({"scope": ""}, "a b"), ({"other": "x"}, "a b")],
)
async def test_a_client_may_ask_for_fewer_scopes(
    client: httpx2.AsyncClient, sql: Sql, requested: dict[str, str], granted: str
) -> None:
    answer = await client.post(
        "/token", data=GRANT | requested, headers=proof(await new_client(sql, "a", "b"))
    )
    assert answer.json()["scope"] == granted


@pytest.mark.parametrize("scope", ["c", "a c", "a  b", " a", "a,b", "A", "a\x00"])
async def test_a_client_gets_no_scope_that_it_does_not_have(
    client: httpx2.AsyncClient, sql: Sql, scope: str
) -> None:
    orders = await new_client(sql, "a", "b")
    answer = await client.post("/token", data=GRANT | {"scope": scope}, headers=proof(orders))
    oauth_error(answer, 400, "invalid_scope")


async def test_a_client_without_scopes_gets_no_token(client: httpx2.AsyncClient, sql: Sql) -> None:
    answer = await client.post("/token", data=GRANT, headers=proof(await new_client(sql)))
    oauth_error(answer, 400, "invalid_scope")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": "Client_Credentials"}, "unsupported_grant_type"),
    ],
)
async def test_there_is_one_grant(
    client: httpx2.AsyncClient, sql: Sql, form: dict[str, str], error: str
) -> None:
    body = form or {"x": "y"}
    oauth_error(await client.post("/token", data=body, headers=proof(await new_client(sql, "a"))), 400, error)


async def test_wrong_credentials_are_refused_in_one_way(client: httpx2.AsyncClient, sql: Sql) -> None:
    orders, billing = await new_client(sql, "a"), await new_client(sql, "a")
    wrong = [
        basic(orders.id, new_secret(orders.id, bytes(32))),
        basic(orders.id, billing.secret),
        basic(billing.id, orders.secret),
        basic(orders.id, orders.secret[:-1]),
        basic(orders.id, orders.secret.lower()),
        basic(orders.id, ""),
        basic(str(orders.id).upper(), orders.secret),
        basic(orders.name, orders.secret),
        basic(uuid4(), orders.secret),
        basic("", orders.secret),
        basic("browser", "x"),
        basic("\x00", "\x00"),
    ]
    answers = [await client.post("/token", data=GRANT, headers=headers) for headers in wrong]
    assert len({oauth_error(answer, 401, "invalid_client") for answer in answers}) == 1
    assert (await client.post("/token", data=GRANT, headers=proof(orders))).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"no colon").decode(),
        "Basic " + b64encode(b"\xff:\xff").decode(),
        "Basic " + b64encode(b"%ff:%ff").decode(),
        "Bearer abc",
        "Digest username=x",
        "garbage",
        "",
    ],
)
async def test_a_malformed_header_is_refused(client: httpx2.AsyncClient, header: str) -> None:
    answer = await client.post("/token", data=GRANT, headers={"Authorization": header})
    oauth_error(answer, 401, "invalid_client")


async def test_each_part_of_the_header_is_form_urlencoded(client: httpx2.AsyncClient, sql: Sql) -> None:
    """Strict clients encode hyphens and underscores too; the scheme has any case (RFC 9110)."""
    orders = await new_client(sql, "a")
    pair = ":".join(text.replace("-", "%2D").replace("_", "%5f") for text in (str(orders.id), orders.secret))
    header = f"bAsIc {b64encode(pair.encode()).decode()}"
    assert (await client.post("/token", data=GRANT, headers={"Authorization": header})).status_code == 200


async def test_without_credentials_or_with_two_there_is_no_token(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    key = new_signer()
    orders = await new_client(sql, "a", keys=(key.jwk,))
    oauth_error(await client.post("/token", data=GRANT), 401, "invalid_client")
    in_body = GRANT | {"client_id": str(orders.id), "client_secret": orders.secret}
    oauth_error(await client.post("/token", data=in_body), 401, "invalid_client")
    both = GRANT | asserting(key.assertion(orders))
    oauth_error(await client.post("/token", data=both, headers=proof(orders)), 400, "invalid_request")
    twice = [*proof(orders).items()] * 2
    oauth_error(await client.post("/token", data=GRANT, headers=twice), 400, "invalid_request")
    other = GRANT | {"client_id": str(uuid4())}
    oauth_error(await client.post("/token", data=other, headers=proof(orders)), 400, "invalid_request")
    own = GRANT | {"client_id": str(orders.id)}
    assert (await client.post("/token", data=own, headers=proof(orders))).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"grant_type":"client_credentials"}', "application/json"),
        (b"grant_type=client_credentials", "text/plain"),
        (b"grant_type=client_credentials", None),
        (b"grant_type=client_credentials&grant_type=client_credentials", "application/x-www-form-urlencoded"),
        (b"grant_type=%ff", "application/x-www-form-urlencoded"),
        (b"grant_type=\xff", "application/x-www-form-urlencoded"),
        (b"&".join([b"a=b"] * 100), "application/x-www-form-urlencoded"),
        (b"", None),
    ],
)
async def test_a_body_that_is_no_form_is_an_invalid_request(
    client: httpx2.AsyncClient, sql: Sql, body: bytes, content_type: str | None
) -> None:
    headers = proof(await new_client(sql, "a")) | ({"Content-Type": content_type} if content_type else {})
    oauth_error(await client.post("/token", content=body, headers=headers), 400, "invalid_request")


async def test_a_body_with_a_charset_is_a_form_and_a_large_one_is_a_problem(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    headers = proof(await new_client(sql, "a"))
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    answer = await client.post("/token", content=b"grant_type=client_credentials", headers=headers | kind)
    assert answer.status_code == 200
    large = await client.post("/token", data=GRANT | {"x": "y" * 20_000}, headers=headers)
    problem_of(large, 413, "payload_too_large")


async def test_the_core_takes_no_token_of_a_client(client: httpx2.AsyncClient, sql: Sql) -> None:
    held = bearing(await token_of(client, await new_client(sql, "admin", "introspect")))
    for method, path in (("GET", "/me"), ("GET", "/sessions"), ("GET", "/me/activity")):
        problem_of(await client.request(method, path, headers=held), 401, "invalid_token")
    problem_of(await client.post("/logout/all", headers=held), 401, "invalid_token")
    passwords = {"current_password": "a", "new_password": "b"}
    problem_of(await client.post("/password", json=passwords, headers=held), 401, "invalid_token")


async def test_the_use_of_a_secret_is_noted(client: httpx2.AsyncClient, sql: Sql) -> None:
    orders = await new_client(sql, "a")
    used = "SELECT secret_used_at FROM service_clients WHERE id = $1"
    assert await sql.fetchval(used, UUID(int=orders.id.int)) is None
    await token_of(client, orders)
    assert await sql.fetchval(used, orders.id) is not None
