"""Access tokens: every check refuses them in the same way."""

import json

import pytest

from app.crypto.access_tokens import Signer
from app.domain.access_tokens import ClientToken
from app.domain.keys import Algorithm, KeyKind
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person
from tests.support.tokens import unb64
from tests.support.waiting import until


async def is_refused(parts: Service, token: str) -> bool:
    with pytest.raises(Refused) as refusal:
        await parts.use_cases.who_am_i(token)
    return refusal.value.refusal is Refusal.INVALID_TOKEN


async def signer(parts: Service) -> Signer:
    parts.keys.require_signer()
    assert parts.keys.view is not None
    signer = parts.keys.view.signer
    assert signer is not None
    return signer


async def test_a_token_is_accepted_until_its_session_ends(parts: Service, person: Person) -> None:
    pair = await parts.use_cases.login(person.email, PASSWORD, ClientKind.NATIVE, Visitor(None, None))
    token = pair.access_token.text
    caller = await parts.use_cases.who_am_i(token)
    assert (caller.account.id, caller.token.client) == (person.id, ClientKind.NATIVE)
    await parts.use_cases.logout(pair.refresh_token, None, Visitor(None, None))
    assert await is_refused(parts, token)
    # Also after the index has been rebuilt.
    await parts.revocations.reindex()
    assert await is_refused(parts, token)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE accounts SET enabled = false WHERE id = $1",
        "UPDATE sessions SET revoked_at = now() WHERE account_id = $1",
        "DELETE FROM sessions WHERE account_id = $1",
        "DELETE FROM accounts WHERE id = $1",
    ],
)
async def test_a_change_in_postgres_refuses_the_token_even_if_the_index_does_not_list_it(
    parts: Service, person: Person, sql: Sql, change: str
) -> None:
    await until(parts.revocations.reindex)
    pair = await parts.use_cases.login(person.email, PASSWORD, ClientKind.NATIVE, Visitor(None, None))
    await sql.execute(change, person.id)
    assert await is_refused(parts, pair.access_token.text)


async def test_a_retired_key_refuses_its_tokens_even_if_the_index_does_not_list_it(
    parts: Service, person: Person, sql: Sql
) -> None:
    # A key of its own, because another replica may put the revocation into the index that all of them share.
    key = parts.core.crypto.keys.make(KeyKind(Algorithm.ES256))
    pair = await parts.use_cases.login(person.email, PASSWORD, ClientKind.NATIVE, Visitor(None, None))
    claims = json.loads(unb64(pair.access_token.text.split(".")[1]))
    token = Signer(key.kid, key.algorithm, parts.core.crypto.keys.open(key)).sign(claims)
    await sql.execute(
        """INSERT INTO signing_keys
               (kid, algorithm, public_jwk, sealed_private_key, created_at, activated_at, superseded_at)
           VALUES ($1, $2, $3, $4, now(), now(), now())""",
        key.kid,
        key.algorithm,
        json.dumps(key.public_jwk),
        key.sealed_private_key,
    )
    try:
        await until(parts.revocations.reindex)
        await parts.use_cases.who_am_i(token)
        await sql.execute("INSERT INTO revocations VALUES ($1, now() + interval '1 hour')", key.kid)
        assert await is_refused(parts, token)
    finally:
        await sql.execute("DELETE FROM revocations WHERE id = $1", key.kid)
        await sql.execute("DELETE FROM signing_keys WHERE kid = $1", key.kid)


async def test_malformed_tokens_and_tokens_with_invalid_claims_are_refused(parts: Service) -> None:
    without_claims = (await signer(parts)).sign({"sub": "an-account"})
    for token in ("junk", "a.b.c", without_claims):
        assert await is_refused(parts, token)


async def test_a_client_token_is_accepted_but_belongs_to_no_account_and_ends_no_session(
    parts: Service, person: Person
) -> None:
    pair = await parts.use_cases.login(person.email, PASSWORD, ClientKind.NATIVE, Visitor(None, None))
    policy, now = parts.core.authenticate.policy, int(parts.core.clock().timestamp())
    token = (await signer(parts)).sign(
        {
            "iss": policy.issuer,
            "aud": policy.audience,
            "sub": "orders",
            "client_id": "orders",
            "scope": "introspect",
            "iat": now,
            "nbf": now,
            "exp": now + 900,
            "jti": "a-client-token",
        }
    )
    accepted = await parts.core.authenticate(token)
    assert isinstance(accepted, ClientToken)
    assert accepted.scopes == ("introspect",)
    assert await is_refused(parts, token)
    await parts.use_cases.logout(None, token, Visitor(None, None))
    assert (await parts.use_cases.who_am_i(pair.access_token.text)).account.id == person.id
