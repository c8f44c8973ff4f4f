"""The answers to refresh tokens in every standing; ``test_refresh_family.py`` tests sequences of requests."""

from dataclasses import replace
from uuid import uuid4

import pytest

from app.crypto.refresh_tokens import RefreshTokens
from app.crypto.secrets import ServiceSecrets
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind, ReuseRevokes
from app.domain.visitors import Visitor
from app.wiring import Service
from tests.support.database import Sql
from tests.support.families import TOKENS
from tests.support.people import PASSWORD, Person

HERE = Visitor("192.0.2.1", "tests")


@pytest.fixture
async def token(parts: Service, person: Person) -> str:
    return await sign_in(parts, person)


async def sign_in(parts: Service, person: Person) -> str:
    return (await parts.use_cases.login(person.email, PASSWORD, ClientKind.NATIVE, HERE)).refresh_token


async def refresh(parts: Service, token: str, client: ClientKind = ClientKind.NATIVE) -> str:
    return (await parts.use_cases.refresh(token, client, HERE)).refresh_token


async def refusal(parts: Service, token: str, client: ClientKind = ClientKind.NATIVE) -> Refusal:
    with pytest.raises(Refused) as refused:
        await refresh(parts, token, client)
    return refused.value.refusal


async def later(sql: Sql, person: Person) -> None:
    """Let the last superseded token have been superseded an hour ago."""
    await sql.execute(
        "UPDATE sessions SET superseded_at = ARRAY[now() - interval '1 hour'] WHERE account_id = $1",
        person.id,
    )


@pytest.mark.requirement("R4")
async def test_a_token_rotates_and_within_the_grace_yields_the_same_successor_again(
    parts: Service, token: str
) -> None:
    successor = await refresh(parts, token)
    assert successor != token
    assert await refresh(parts, token) == successor
    assert await refresh(parts, successor) not in {token, successor}


@pytest.mark.requirement("R2")
async def test_a_reuse_ends_the_session_and_is_reported_once(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    other = await sign_in(parts, person)
    successor = await refresh(parts, token)
    await later(sql, person)
    assert await refusal(parts, token) is Refusal.REFRESH_TOKEN_REUSED
    assert [await refusal(parts, dead) for dead in (token, successor)] == [Refusal.SESSION_REVOKED] * 2
    assert await refresh(parts, other) != other


async def test_a_reuse_ends_every_session_of_the_account_if_the_policy_says_so(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    policy = replace(parts.use_cases.refresh.policy, reuse_revokes=ReuseRevokes.ACCOUNT)
    strict = replace(parts.use_cases.refresh, policy=policy)
    other = await sign_in(parts, person)
    await refresh(parts, token)
    await later(sql, person)
    with pytest.raises(Refused) as refused:
        await strict(token, ClientKind.NATIVE, HERE)
    assert refused.value.refusal is Refusal.REFRESH_TOKEN_REUSED
    assert await refusal(parts, other) is Refusal.SESSION_REVOKED


async def test_a_token_ahead_of_its_row_rotates_since_a_failover_set_the_row_back(
    parts: Service, token: str, sql: Sql, person: Person
) -> None:
    before = await sql.fetchrow("SELECT * FROM sessions WHERE account_id = $1", person.id)
    assert before is not None
    successor = await refresh(parts, token)
    await sql.execute(
        "UPDATE sessions SET generation = 0, refresh_token_hash = $2, superseded_at = '{}' WHERE id = $1",
        before["id"],
        before["refresh_token_hash"],
    )
    read = TOKENS.read(await refresh(parts, successor))
    assert read is not None
    assert read.generation == 2


@pytest.mark.parametrize("column", ["expires_at", "refreshed_at"])
async def test_a_refresh_in_an_expired_session_is_refused(
    parts: Service, token: str, sql: Sql, person: Person, column: str
) -> None:
    await sql.execute(
        f"UPDATE sessions SET {column} = now() - interval '8 days' WHERE account_id = $1", person.id
    )
    assert await refusal(parts, token) is Refusal.REFRESH_TOKEN_EXPIRED


async def test_a_token_is_refused_from_another_kind_of_client(parts: Service, token: str) -> None:
    assert await refusal(parts, token, ClientKind.BROWSER) is Refusal.REFRESH_TOKEN_INVALID
    assert await refresh(parts, token) != token


@pytest.mark.requirement("R9")
async def test_a_forged_token_is_refused_and_ends_no_session(parts: Service, token: str) -> None:
    genuine = TOKENS.read(token)
    assert genuine is not None
    stranger = RefreshTokens(ServiceSecrets([bytes(range(32))]))
    forged = {
        "no token at all": "junk",
        "an unknown session": TOKENS.at(replace(genuine, session_id=uuid4()), 0).text,
        "another seed": TOKENS.at(replace(genuine, seed=bytes(16)), 0).text,
        "another secret": stranger.first(genuine.session_id, genuine.seed).text,
    }
    for name, text in forged.items():
        assert await refusal(parts, text) is Refusal.REFRESH_TOKEN_INVALID, name
    assert await refresh(parts, token) != token
