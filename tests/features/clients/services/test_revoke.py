"""Who may revoke which token, and what has ended afterwards (RFC 7009)."""

from dataclasses import replace

import pytest

from app.domain.refusals import Refusal, Refused
from app.domain.visitors import Visitor
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.clients.services.authenticate import SecretCredentials
from tests.features.clients.conftest import Parts
from tests.support.clients import ServiceClient, new_client
from tests.support.database import Sql
from tests.support.people import Person, new_person
from tests.support.races import CHEAP_HASH, sign_in
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("S6")

HERE = Visitor("192.0.2.7", "tests", "request-7")


def secret_of(client: ServiceClient) -> SecretCredentials:
    return SecretCredentials(str(client.id), client.secret)


async def issued(parts: Parts, client: ServiceClient) -> str:
    return (await parts.cases.issue_token(secret_of(client), "client_credentials", None, HERE)).text


async def is_accepted(parts: Parts, token: str) -> bool:
    try:
        await parts.service.core.authenticate(token)
    except Refused:
        return False
    return True


async def fault(
    parts: Parts, caller: SecretCredentials | None, token: str | None, client_id: str | None = None
) -> OAuthErrorCode:
    with pytest.raises(OAuthRefused) as refused:
        await parts.cases.revoke_token(caller, client_id, token, HERE)
    return refused.value.fault


async def events_of(sql: Sql, person: Person) -> list[tuple[str, str, str | None]]:
    rows = await sql.fetch(
        "SELECT kind, actor, reason FROM events WHERE account_id = $1 ORDER BY id", person.id
    )
    return [(row["kind"], row["actor"], row["reason"]) for row in rows][1:]


@pytest.mark.parametrize("client_id", [None, "native"])
@pytest.mark.parametrize("proved", [True, False])
async def test_a_refresh_token_ends_its_session(
    parts: Parts, sql: Sql, client_id: str | None, proved: bool
) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair, other = [await sign_in(parts.service, person) for _ in range(2)]
    caller = secret_of(await new_client(sql)) if proved else None
    for _ in range(2):  # The second time there is nothing left to do.
        await parts.cases.revoke_token(caller, client_id, pair.refresh_token, HERE)
    assert not await is_accepted(parts, pair.access_token.text)
    assert await is_accepted(parts, other.access_token.text)
    assert (await events_of(sql, person))[1:] == [("session.ended", "owner", "logout")]


async def test_an_access_token_ends_alone(parts: Parts, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair = await sign_in(parts.service, person)
    await until(parts.service.revocations.reindex)
    for _ in range(2):
        await parts.cases.revoke_token(None, None, pair.access_token.text, HERE)
    token, _ = await parts.service.core.authenticate.genuine(pair.access_token.text)
    assert await parts.service.revocations.index.find([token.token_id])
    assert not await is_accepted(parts, pair.access_token.text)
    with pytest.raises(Refused):
        await parts.service.use_cases.who_am_i(pair.access_token.text)
    assert await events_of(sql, person) == [("token.revoked", "owner", None)]
    details = "SELECT details->>'jti' FROM events WHERE account_id = $1 AND kind = 'token.revoked'"
    jti = await sql.fetchval(details, person.id)
    assert await sql.fetchval("SELECT count(*) FROM revocations WHERE id = $1", jti) == 1
    living = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
    assert await sql.fetchval(living, person.id) == 1


async def test_a_client_revokes_its_own_tokens_and_no_other_client_does(parts: Parts, sql: Sql) -> None:
    own, other = await new_client(sql, "a"), await new_client(sql, "a")
    token, kept = await issued(parts, own), await issued(parts, own)
    assert await fault(parts, None, token) is OAuthErrorCode.INVALID_CLIENT
    assert await fault(parts, secret_of(other), token) is OAuthErrorCode.INVALID_GRANT
    assert await is_accepted(parts, token)
    await parts.cases.revoke_token(secret_of(own), str(own.id), token, HERE)
    assert not await is_accepted(parts, token)
    assert await is_accepted(parts, kept)
    row = await sql.fetchrow("SELECT * FROM events WHERE actor_id = $1", str(own.id))
    assert row is not None
    assert (row["kind"], row["actor"], row["address"]) == ("token.revoked", "client", HERE.address)


@pytest.mark.parametrize("token", ["", "garbage", "a.b.c", "wwr_" + "A" * 76, "\x00"])
async def test_what_is_no_token_needs_no_revocation(parts: Parts, sql: Sql, token: str) -> None:
    await parts.cases.revoke_token(None, None, token, HERE)
    await parts.cases.revoke_token(secret_of(await new_client(sql)), None, token, HERE)


async def test_a_client_that_names_itself_has_to_be_the_right_one(parts: Parts, sql: Sql) -> None:
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair = await sign_in(parts.service, person)
    for token in (pair.refresh_token, pair.access_token.text):
        assert await fault(parts, None, token, "browser") is OAuthErrorCode.INVALID_GRANT
        assert await fault(parts, None, token, "orders") is OAuthErrorCode.INVALID_CLIENT
    assert await is_accepted(parts, pair.access_token.text)
    assert await fault(parts, None, None) is OAuthErrorCode.INVALID_REQUEST
    client = await new_client(sql)
    forged = SecretCredentials(str(client.id), "wrong")
    assert await fault(parts, forged, pair.refresh_token) is OAuthErrorCode.INVALID_CLIENT
    assert await is_accepted(parts, pair.access_token.text)


async def test_an_outage_is_no_success(parts: Parts, sql: Sql) -> None:
    class Away:
        async def __call__(self, text: str) -> object:
            raise Refused(Refusal.UNAVAILABLE)

    broken = replace(parts.cases.revoke_token, authenticate=Away())  # type: ignore[arg-type] # as an outage
    with pytest.raises(Refused) as refused:
        await broken(None, None, "a.b.c", HERE)
    assert refused.value.refusal is Refusal.UNAVAILABLE
