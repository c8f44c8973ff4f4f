"""POST /introspect and POST /revoke from outside (RFC 7662, RFC 7009)."""

import httpx2
import pytest

from tests.support.clients import (
    asserting,
    basic,
    new_client,
    new_signer,
    oauth_error,
    proof,
    token_of,
)
from tests.support.database import Sql
from tests.support.people import Person, bearing, login, me, problem_of, refresh, sessions_of
from tests.support.servers import ISSUER

INACTIVE = {"active": False}


async def test_a_client_is_told_of_tokens_of_sessions_and_of_clients(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    asker = await new_client(sql, "introspect")
    tokens = (await login(client, person)).json()
    answer = await client.post("/introspect", data={"token": tokens["access_token"]}, headers=proof(asker))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = answer.json()
    assert found.keys() == {
        *("active", "client_id", "token_type", "exp", "iat", "sub", "aud", "iss", "jti"),
    }
    assert (found["active"], found["sub"], found["client_id"]) == (True, str(person.id), "native")
    assert (found["aud"], found["iss"], found["token_type"]) == (ISSUER, ISSUER, "Bearer")
    assert person.email not in answer.text

    form = {"token": tokens["refresh_token"], "token_type_hint": "access_token"}
    found = (await client.post("/introspect", data=form, headers=proof(asker))).json()
    assert found.keys() == {"active", "client_id", "token_type", "exp", "iat", "sub", "aud", "iss"}
    assert found["token_type"] == "N_A"

    own = await token_of(client, asker)
    found = (await client.post("/introspect", data={"token": own}, headers=bearing(own))).json()
    assert (found["sub"], found["client_id"], found["scope"]) == (*[str(asker.id)] * 2, "introspect")


async def test_a_client_may_ask_with_an_assertion(client: httpx2.AsyncClient, sql: Sql) -> None:
    key = new_signer()
    asker = await new_client(sql, "introspect", keys=(key.jwk,))
    form = {"token": "garbage", **asserting(key.assertion(asker))}
    assert (await client.post("/introspect", data=form)).json() == INACTIVE


async def test_what_is_not_active_is_told_in_one_word(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    asker = await new_client(sql, "introspect")
    tokens = (await login(client, person)).json()
    await client.post("/logout", json={"refresh_token": tokens["refresh_token"]})
    own = await token_of(client, asker)
    await client.post("/revoke", data={"token": own}, headers=proof(asker))
    bodies = [
        (await client.post("/introspect", data={"token": token}, headers=proof(asker))).content
        for token in (tokens["access_token"], tokens["refresh_token"], own, "garbage")
    ]
    assert bodies == [b'{"active":false}'] * 4


async def test_who_may_not_ask_is_refused_in_the_words_of_the_rfcs(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    asker, other = await new_client(sql, "introspect"), await new_client(sql, "a")
    session = (await login(client, person)).json()["access_token"]
    form = {"token": session}
    oauth_error(await client.post("/introspect", data=form), 401, "invalid_client")
    for headers in (basic(asker.id, "wrong"), {"Authorization": "garbage"}):
        oauth_error(await client.post("/introspect", data=form, headers=headers), 401, "invalid_client")
    for token in (session, "garbage"):
        answer = await client.post("/introspect", data=form, headers=bearing(token))
        oauth_error(answer, 401, "invalid_token")
    for headers in (proof(other), bearing(await token_of(client, other))):
        answer = await client.post("/introspect", data=form, headers=headers)
        oauth_error(answer, 403, "insufficient_scope")
        assert 'scope="introspect"' in answer.headers["www-authenticate"]
    for body in ({}, {"token": ""}, {"other": "x"}):
        answer = await client.post("/introspect", data=body or {"x": ""}, headers=proof(asker))
        oauth_error(answer, 400, "invalid_request")
    answer = await client.post("/introspect", json=form, headers=proof(asker))
    oauth_error(answer, 400, "invalid_request")
    answer = await client.post("/introspect", json=form, headers=bearing(await token_of(client, asker)))
    oauth_error(answer, 400, "invalid_request")
    problem_of(await client.get("/introspect?token=x", headers=proof(asker)), 405, "method_not_allowed")


async def test_the_holder_of_a_refresh_token_ends_its_session(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    tokens, other = [(await login(client, person)).json() for _ in range(2)]
    for _ in range(2):
        answer = await client.post("/revoke", data={"token": tokens["refresh_token"]})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["cache-control"] == "no-store"
    assert (await me(client, tokens["access_token"])).status_code == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await me(client, other["access_token"])).status_code == 200
    assert [row["revoked_at"] is not None for row in await sessions_of(sql, person)] == [True, False]


async def test_the_holder_of_an_access_token_revokes_it_alone(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    tokens = (await login(client, person)).json()
    form = {"token": tokens["access_token"], "token_type_hint": "access_token", "client_id": "native"}
    assert (await client.post("/revoke", data=form)).status_code == 200
    problem_of(await me(client, tokens["access_token"]), 401, "invalid_token")
    renewed = await refresh(client, tokens["refresh_token"])
    assert (await me(client, renewed.json()["access_token"])).status_code == 200


async def test_a_token_that_is_none_is_no_error_and_a_form_without_one_is(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    holder = await new_client(sql, "a")
    for token in ("garbage", "a.b.c", "wwr_", "wwd_abc", holder.secret):
        for headers in ({}, proof(holder)):
            form = {"token": token, "token_type_hint": "of_my_own"}
            assert (await client.post("/revoke", data=form, headers=headers)).status_code == 200
    assert (
        await client.post("/token", data={"grant_type": "client_credentials"}, headers=proof(holder))
    ).is_success
    oauth_error(await client.post("/revoke", data={"x": "y"}), 400, "invalid_request")
    oauth_error(await client.post("/revoke", json={"token": "x"}), 400, "invalid_request")
    answer = await client.post("/revoke", data={"token": "x"}, headers=basic(holder.id, "wrong"))
    oauth_error(answer, 401, "invalid_client")


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
async def test_a_page_of_another_origin_reads_nothing(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(path, data={"token": "x"}, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
