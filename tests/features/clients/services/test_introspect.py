"""Which clients may ask about a token, and which tokens are active: Postgres decides, and not Redis."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.clients.services.authenticate import SecretCredentials
from app.features.clients.services.introspect import TokenFacts
from tests.features.clients.conftest import Parts
from tests.support.clients import ServiceClient, new_client
from tests.support.database import CLOCK, Sql
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, sign_in
from tests.support.servers import ISSUER
from tests.support.tokens import unb64

pytestmark = pytest.mark.requirement("S5")

HERE = Visitor("192.0.2.7", "tests", "request-7")


def secret_of(client: ServiceClient) -> SecretCredentials:
    return SecretCredentials(str(client.id), client.secret)


async def asked(parts: Parts, sql: Sql, token: str | None) -> TokenFacts | None:
    """What a client with the scope is told."""
    asker = await new_client(sql, "introspect")
    return await parts.cases.introspect(secret_of(asker), token, HERE)


async def issued(parts: Parts, client: ServiceClient) -> str:
    return (await parts.cases.issue_token(secret_of(client), "client_credentials", None, HERE)).text


async def fault(parts: Parts, caller: SecretCredentials | str, token: str | None = "x") -> OAuthErrorCode:
    with pytest.raises(OAuthRefused) as refused:
        await parts.cases.introspect(caller, token, HERE)
    return refused.value.fault


async def test_an_access_token_of_a_session_is_described(parts: Parts, sql: Sql) -> None:
    person = await new_person(sql, "editor", password_hash=CHEAP_HASH)
    token = (await sign_in(parts.service, person)).access_token.text
    claims = json.loads(unb64(token.split(".")[1]))
    assert await asked(parts, sql, token) == TokenFacts(
        client_id="native",
        token_type="Bearer",
        exp=claims["exp"],
        iat=claims["iat"],
        sub=str(person.id),
        aud=ISSUER,
        iss=ISSUER,
        jti=claims["jti"],
    )


async def test_a_refresh_token_is_described_as_none_that_a_service_may_accept(parts: Parts, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair = await sign_in(parts.service, person)
    found = await asked(parts, sql, pair.refresh_token)
    assert found is not None
    assert (found.token_type, found.client_id, found.sub) == ("N_A", "native", str(person.id))
    assert (found.aud, found.iss, found.jti, found.scope) == (ISSUER, ISSUER, None, None)
    row = await sql.fetchrow("SELECT * FROM sessions WHERE account_id = $1", person.id)
    assert row is not None
    assert found.iat == int(row["refreshed_at"].timestamp())
    idle = parts.cases.introspect.active.sessions.idle
    assert found.exp == int(min(row["expires_at"], row["refreshed_at"] + idle).timestamp())


async def test_a_token_of_a_client_is_described(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a", "b")
    found = await asked(parts, sql, await issued(parts, client))
    assert found is not None
    assert (found.client_id, found.sub, found.scope) == (str(client.id), str(client.id), "a b")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts SET enabled = false WHERE id = $1",
        "UPDATE sessions SET revoked_at = now() WHERE account_id = $1",
        "DELETE FROM sessions WHERE account_id = $1",
        "DELETE FROM accounts WHERE id = $1",
    ],
)
async def test_tokens_of_a_session_that_ended_in_postgres_alone_are_not_active(
    parts: Parts, sql: Sql, change: str
) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair = await sign_in(parts.service, person)
    await sql.execute(change, person.id)
    assert await asked(parts, sql, pair.access_token.text) is None
    assert await asked(parts, sql, pair.refresh_token) is None


async def test_tokens_that_expired_are_not_active(strict: Parts, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair = await sign_in(strict.service, person)
    own = await issued(strict, await new_client(sql, "a"))
    CLOCK.ahead += timedelta(minutes=16)
    await strict.service.keys.load()
    assert await asked(strict, sql, pair.access_token.text) is None
    assert await asked(strict, sql, own) is None
    assert await asked(strict, sql, pair.refresh_token) is not None
    await sql.execute(
        "UPDATE sessions SET refreshed_at = now() - interval '400 days' WHERE account_id = $1", person.id
    )
    assert await asked(strict, sql, pair.refresh_token) is None


async def test_a_question_uses_nothing_up_and_an_old_token_ends_no_session(parts: Parts, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    first = await sign_in(parts.service, person)
    second = await parts.service.use_cases.refresh(first.refresh_token, ClientKind.NATIVE, HERE)
    # Within the grace, a refresh would answer the retry.
    assert await asked(parts, sql, first.refresh_token) is not None
    await sql.execute(
        "UPDATE sessions SET superseded_at = ARRAY[now() - interval '1 hour'] WHERE account_id = $1",
        person.id,
    )
    before = await sql.fetch("SELECT * FROM sessions WHERE account_id = $1", person.id)
    assert await asked(parts, sql, first.refresh_token) is None
    assert await asked(parts, sql, second.refresh_token) is not None
    assert await sql.fetch("SELECT * FROM sessions WHERE account_id = $1", person.id) == before


@pytest.mark.parametrize("text", ["", "garbage", "a.b.c", "wwr_", "wwr_" + "A" * 76, "x" * 9000, "\x00", "é"])
async def test_any_other_text_is_not_active(parts: Parts, sql: Sql, text: str) -> None:
    assert await asked(parts, sql, text) is None


async def test_a_deleted_client_s_token_is_not_active_and_asks_nothing(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "introspect")
    token = await issued(parts, client)
    assert await parts.cases.introspect(token, token, HERE) is not None
    await parts.manage.delete(client.name)
    assert await asked(parts, sql, token) is None
    assert await fault(parts, token) is OAuthErrorCode.INVALID_TOKEN
    assert await fault(parts, secret_of(client)) is OAuthErrorCode.INVALID_CLIENT


async def test_only_a_client_with_the_scope_may_ask(parts: Parts, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    session = (await sign_in(parts.service, person)).access_token.text
    asker, other = await new_client(sql, "introspect", "a"), await new_client(sql, "a")
    assert await fault(parts, secret_of(other)) is OAuthErrorCode.INSUFFICIENT_SCOPE
    assert await fault(parts, await issued(parts, other)) is OAuthErrorCode.INSUFFICIENT_SCOPE
    for caller in (session, "garbage", ""):
        assert await fault(parts, caller) is OAuthErrorCode.INVALID_TOKEN
    narrow = await parts.cases.issue_token(secret_of(asker), "client_credentials", "a", HERE)
    assert await fault(parts, narrow.text) is OAuthErrorCode.INSUFFICIENT_SCOPE
    assert await fault(parts, secret_of(asker), None) is OAuthErrorCode.INVALID_REQUEST


async def test_an_outage_is_no_answer(parts: Parts, sql: Sql) -> None:
    """A service must not take an outage for a token that is not active."""
    asker = await new_client(sql, "introspect")
    token = await issued(parts, asker)

    active = parts.cases.introspect.active
    broken = replace(parts.cases.introspect, active=replace(active, authenticate=_Away()))  # type: ignore[arg-type] # as an outage
    with pytest.raises(Refused) as refused:
        await broken(secret_of(asker), token, HERE)
    assert refused.value.refusal is Refusal.UNAVAILABLE
    broken = replace(parts.cases.introspect, authenticate=_Away())  # type: ignore[arg-type] # as an outage
    with pytest.raises(Refused) as refused:
        await broken(token, token, HERE)
    assert refused.value.refusal is Refusal.UNAVAILABLE


class _Away:
    """Keys that were never read."""

    async def __call__(self, text: str) -> object:
        raise Refused(Refusal.UNAVAILABLE)

    genuine = __call__
