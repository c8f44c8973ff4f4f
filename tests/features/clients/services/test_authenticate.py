"""How a client proves who it is, what a failure costs, and that no one else pays for it."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from app.domain.refusals import Refused
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.features.clients.crypto import new_secret
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.clients.services.authenticate import Credentials, JwtCredentials, SecretCredentials
from tests.features.clients.conftest import Parts
from tests.support.clients import ServiceClient, Signer, claims_of, new_client, new_signer
from tests.support.database import CLOCK, MINUTE, Sql, let_pass
from tests.support.tokens import members

pytestmark = pytest.mark.requirement("S2")

HERE = Visitor("192.0.2.7", "tests", "request-7")


def secret_of(client: ServiceClient, secret: str | None = None) -> SecretCredentials:
    return SecretCredentials(str(client.id), client.secret if secret is None else secret)


def wrong(client: ServiceClient) -> SecretCredentials:
    return secret_of(client, new_secret(client.id, bytes(32)))


async def outcome(
    parts: Parts, credentials: Credentials, address: str | None = HERE.address
) -> UUID | OAuthErrorCode | str:
    """The client, or how it was refused."""
    visitor = Visitor(address, HERE.user_agent, HERE.request_id)
    try:
        return (await parts.cases.issue_token.authenticate(credentials, visitor)).id
    except OAuthRefused as refused:
        return refused.fault
    except TooManyRequests as refused:
        return refused.budget.name
    except Refused as refused:
        return refused.refusal.value


async def events_of(sql: Sql, client: ServiceClient) -> list[tuple[str, str | None]]:
    rows = await sql.fetch(
        "SELECT kind, reason FROM events WHERE details->>'client_id' = $1 ORDER BY id", str(client.id)
    )
    return [(row["kind"], row["reason"]) for row in rows]


async def test_a_client_is_known_by_either_of_its_two_secrets(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a")
    rotated = await parts.manage.rotate(client.name, at_once=False)
    assert rotated.secret is not None
    for secret in (client.secret, rotated.secret):
        assert await outcome(parts, secret_of(client, secret)) == client.id


async def test_use_is_noted_for_the_secret_that_was_used_and_once_a_minute(strict: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a")
    rotated = await strict.manage.rotate(client.name, at_once=False)
    used = "SELECT secret_used_at, former_secret_used_at FROM service_clients WHERE id = $1"
    assert await outcome(strict, secret_of(client)) == client.id
    first = await sql.fetchrow(used, client.id)
    assert first is not None
    assert (first["secret_used_at"], first["former_secret_used_at"] is None) == (None, False)
    assert await outcome(strict, secret_of(client)) == client.id
    assert await sql.fetchrow(used, client.id) == first
    CLOCK.ahead += MINUTE + timedelta(seconds=1)
    assert await outcome(strict, secret_of(client)) == client.id
    assert await sql.fetchrow(used, client.id) != first
    assert await outcome(strict, secret_of(client, rotated.secret)) == client.id
    newest = await sql.fetchrow(used, client.id)
    assert newest is not None
    assert newest["secret_used_at"] is not None


async def test_each_failure_is_an_event_with_its_reason(parts: Parts, sql: Sql) -> None:
    key = new_signer()
    client, stranger = await new_client(sql, "a", keys=(key.jwk,)), new_signer()
    unknown = ServiceClient(uuid4(), "unknown", new_secret(uuid4(), bytes(32)))
    used = key.assertion(client)
    assert await outcome(parts, JwtCredentials(used, None)) == client.id
    for credentials in (
        wrong(client),
        secret_of(client, "wwc_"),
        JwtCredentials(Signer(stranger.private_key).assertion(client), None),
        JwtCredentials(key.assertion(client), str(unknown.id)),
        JwtCredentials(used, None),
        secret_of(unknown),
        JwtCredentials(key.assertion(unknown), None),
        JwtCredentials("garbage", None),
        JwtCredentials(key.assertion(client, payload=b"[]"), None),
        SecretCredentials("garbage", "garbage"),
    ):
        assert await outcome(parts, credentials) == OAuthErrorCode.INVALID_CLIENT
    assert await events_of(sql, client) == [
        ("client.failed", "wrong_secret"),
        ("client.failed", "wrong_secret"),
        ("client.failed", "invalid_assertion"),
        ("client.failed", "invalid_assertion"),
        ("client.failed", "used_assertion"),
    ]
    assert await events_of(sql, unknown) == [("client.failed", "unknown_client")] * 2


async def test_a_secret_and_an_id_of_two_clients_prove_nothing(parts: Parts, sql: Sql) -> None:
    """Even if the hash of the other's secret were in the row."""
    one, other = await new_client(sql, "a"), await new_client(sql, "a")
    await sql.execute(
        "UPDATE service_clients SET former_secret_hash = "
        "(SELECT secret_hash FROM service_clients WHERE id = $2), former_secret_created_at = now() "
        "WHERE id = $1",
        *(one.id, other.id),
    )
    assert await outcome(parts, secret_of(one, other.secret)) == OAuthErrorCode.INVALID_CLIENT


async def test_failures_are_limited_for_a_client_and_no_stranger_locks_it_out(
    strict: Parts, sql: Sql
) -> None:
    client, other = await new_client(sql, "a"), await new_client(sql, "a")
    addresses = [f"198.51.100.{number}" for number in range(5)]
    outcomes = [await outcome(strict, wrong(client), address) for address in addresses]
    assert outcomes == [*[OAuthErrorCode.INVALID_CLIENT] * 3, "client", "client"]
    # The right secret works from anywhere, also where the failures came from.
    for address in (*addresses, "203.0.113.1", None):
        assert await outcome(strict, secret_of(client), address) == client.id
    assert await outcome(strict, wrong(other), addresses[0]) == OAuthErrorCode.INVALID_CLIENT
    assert await events_of(sql, client) == [
        *[("client.failed", "wrong_secret")] * 3,
        ("client.throttled", None),
    ]
    budget = (
        "SELECT details->>'budget' FROM events WHERE details->>'client_id' = $1 AND kind = 'client.throttled'"
    )
    assert await sql.fetchval(budget, str(client.id)) == "client"


async def test_failures_are_limited_for_a_network_and_its_other_clients_still_get_in(
    strict: Parts, sql: Sql, environment: dict[str, str]
) -> None:
    victims = [await new_client(sql, "a") for _ in range(8)]
    outcomes = [await outcome(strict, wrong(client)) for client in victims]
    assert outcomes == [*[OAuthErrorCode.INVALID_CLIENT] * 6, "client-address", "client-address"]
    assert await outcome(strict, SecretCredentials("garbage", "garbage")) == "client-address"
    assert await outcome(strict, JwtCredentials("garbage", None)) == "client-address"
    assert await outcome(strict, secret_of(victims[0])) == victims[0].id
    assert await outcome(strict, wrong(victims[7]), "203.0.113.9") == OAuthErrorCode.INVALID_CLIENT
    let_pass(environment["AUTH_REDIS_URL"], MINUTE)
    assert await outcome(strict, wrong(victims[6])) == OAuthErrorCode.INVALID_CLIENT


async def test_failures_are_limited_in_all_and_every_client_still_gets_in(strict: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a")
    garbage = SecretCredentials("garbage", "garbage")
    outcomes = [await outcome(strict, garbage, f"198.51.100.{number}") for number in range(12)]
    assert outcomes == [*[OAuthErrorCode.INVALID_CLIENT] * 10, "client-everyone", "client-everyone"]
    assert await outcome(strict, secret_of(client), "198.51.100.99") == client.id


async def test_failures_of_clients_and_failed_logins_do_not_share_a_budget(strict: Parts, sql: Sql) -> None:
    for _ in range(8):
        await outcome(strict, SecretCredentials("garbage", "garbage"))
    with pytest.raises(Refused) as refused:
        await strict.service.use_cases.login("a@example.com", "x", ClientKind.NATIVE, HERE)
    assert refused.value.refusal == "invalid_credentials"


@pytest.mark.parametrize("used", ["secret", "keys"])
async def test_right_credentials_after_failures_clear_nothing_and_are_not_counted(
    strict: Parts, sql: Sql, used: str
) -> None:
    """Else an attacker would learn from a fresh budget that the client had just been there."""
    key = new_signer()
    client = await new_client(sql, "a", keys=(key.jwk,))
    for _ in range(3):
        assert await outcome(strict, wrong(client)) == OAuthErrorCode.INVALID_CLIENT
    for _ in range(9):
        right = (
            secret_of(client) if used == "secret" else JwtCredentials(key.assertion(client), str(client.id))
        )
        assert await outcome(strict, right) == client.id
    assert await outcome(strict, wrong(client), "203.0.113.10") == "client"


async def test_a_deleted_client_is_unknown(parts: Parts, sql: Sql) -> None:
    key = new_signer()
    client = await new_client(sql, "a", keys=(key.jwk,))
    await parts.manage.delete(client.name)
    assert await outcome(parts, secret_of(client)) == OAuthErrorCode.INVALID_CLIENT
    assert await outcome(parts, JwtCredentials(key.assertion(client), None)) == OAuthErrorCode.INVALID_CLIENT


async def test_an_assertion_of_another_client_with_an_equal_jti_is_another_one(
    parts: Parts, sql: Sql
) -> None:
    key = new_signer()
    one, other = [await new_client(sql, "a", keys=(key.jwk,)) for _ in range(2)]
    for client in (one, other):
        assertion = key.assertion(client, payload=members(claims_of(client) | {"jti": "the-same"}))
        assert await outcome(parts, JwtCredentials(assertion, None)) == client.id
        assert await outcome(parts, JwtCredentials(assertion, None)) == OAuthErrorCode.INVALID_CLIENT
