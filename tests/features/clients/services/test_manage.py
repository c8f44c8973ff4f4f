"""What an operator does with service clients, and the events of it."""

import json
from os import urandom
from typing import Any

import pytest

from app.domain.refusals import Refusal, Refused
from app.domain.visitors import Visitor
from app.features.clients.crypto import digest, secret_owner
from app.features.clients.domain import OAuthRefused
from app.features.clients.services.authenticate import (
    Credentials,
    JwtCredentials,
    SecretCredentials,
)
from app.features.clients.services.manage import ManageClients, NewCredentials
from tests.features.clients.conftest import Parts
from tests.support.clients import ServiceClient, new_client, new_signer
from tests.support.database import Sql
from tests.support.waiting import until

HERE = Visitor("192.0.2.7", "tests", "request-7")


def name() -> str:
    return f"c{urandom(8).hex()}"


def secret_of(client: NewCredentials) -> SecretCredentials:
    assert client.secret is not None
    return SecretCredentials(str(client.id), client.secret)


async def is_known(parts: Parts, credentials: Credentials) -> bool:
    try:
        await parts.cases.issue_token.authenticate(credentials, HERE)
    except OAuthRefused:
        return False
    return True


async def events_of(sql: Sql, client_id: object) -> list[tuple[str, dict[str, Any]]]:
    """The operator's events, without what each of them has."""
    rows = await sql.fetch(
        """SELECT kind, details - 'client_id' AS details FROM events
           WHERE details->>'client_id' = $1 AND actor = 'operator' ORDER BY id""",
        str(client_id),
    )
    return [(row["kind"], json.loads(row["details"])) for row in rows]


async def refusal(parts: Parts, **changes: Any) -> Refusal:
    arguments = {"name": name(), "scopes": [], "jwks": None} | changes
    with pytest.raises(Refused) as refused:
        await parts.manage.create(**arguments)
    assert refused.value.sentence
    return refused.value.refusal


async def test_a_new_client_has_a_secret_of_which_only_the_hash_is_kept(parts: Parts, sql: Sql) -> None:
    called = name()
    created = await parts.manage.create(called, ["b", "a", "b"])
    assert created.secret is not None
    assert secret_owner(created.secret) == created.id
    assert created.secret not in repr(created)
    row = await sql.fetchrow("SELECT * FROM service_clients WHERE id = $1", created.id)
    assert row is not None
    assert (row["name"], row["scopes"], row["secret_hash"]) == (called, ["a", "b"], digest(created.secret))
    assert created.secret[4:] not in str(dict(row))
    assert await is_known(parts, secret_of(created))
    facts = {"name": called, "scopes": "a b", "credential": "secret"}
    assert await events_of(sql, created.id) == [("client.created", facts)]


async def test_a_client_with_keys_has_no_secret(parts: Parts, sql: Sql) -> None:
    key = new_signer()
    created = await parts.manage.create(name(), ["a"], json.dumps({"keys": [key.jwk]}))
    assert created.secret is None
    found = await parts.manage.find(str(created.id))
    assert (found.secrets, found.keys) == ((), (key.jwk,))
    client = ServiceClient(created.id, created.name, "")
    assert await is_known(parts, JwtCredentials(key.assertion(client), None))
    assert (await events_of(sql, created.id))[0][1]["credential"] == "keys"


async def test_what_is_not_right_is_refused(parts: Parts, sql: Sql) -> None:
    taken = await new_client(sql)
    assert await refusal(parts, name=taken.name) is Refusal.CLIENT_NAME_TAKEN
    assert await refusal(parts, name="Two Words") is Refusal.CLIENT_NAME_INVALID
    assert await refusal(parts, scopes=["two words"]) is Refusal.SCOPE_INVALID
    many = [f"{number:02}{'a' * 61}" for number in range(16)]
    assert len(" ".join(many)) == 1023
    assert await refusal(parts, scopes=[*many, "b"]) is Refusal.SCOPES_TOO_LONG
    assert (await parts.manage.create(name(), many)).secret is not None
    assert await refusal(parts, jwks="[]") is Refusal.CLIENT_KEYS_INVALID
    for call in (parts.manage.find, parts.manage.delete):
        with pytest.raises(Refused, match="client_unknown"):
            await call("nobody")


async def test_clients_are_listed_by_name_and_found_by_name_or_id(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a")
    listed = await parts.manage.all()
    assert client.name in [one.name for one in listed]
    assert [one.name for one in listed] == sorted(one.name for one in listed)
    assert (
        (await parts.manage.find(client.name)).id == (await parts.manage.find(str(client.id))).id == client.id
    )


async def test_two_secrets_are_valid_at_a_time(parts: Parts, sql: Sql) -> None:
    first = await parts.manage.create(name(), ["a"])
    second = await parts.manage.rotate(first.name, at_once=False)
    assert [await is_known(parts, secret_of(one)) for one in (first, second)] == [True, True]
    third = await parts.manage.rotate(first.name, at_once=False)
    known = [await is_known(parts, secret_of(one)) for one in (first, second, third)]
    assert known == [False, True, True]
    last = await parts.manage.rotate(first.name, at_once=True)
    known = [await is_known(parts, secret_of(one)) for one in (second, third, last)]
    assert known == [False, False, True]
    found = await parts.manage.find(first.name)
    assert len(found.secrets) == 1
    kept, refused = [
        {"name": first.name, "credential": "secret", "former": former} for former in ("valid", "refused")
    ]
    assert (await events_of(sql, first.id))[1:] == [
        ("client.rotated", facts) for facts in (kept, kept, refused)
    ]


async def test_a_client_moves_from_a_secret_to_keys_and_back(parts: Parts, sql: Sql) -> None:
    old, new = new_signer(), new_signer()
    created = await parts.manage.create(name(), ["a"])
    client = ServiceClient(created.id, created.name, "")

    async def known() -> list[bool]:
        return [
            await is_known(parts, secret_of(created)),
            await is_known(parts, JwtCredentials(old.assertion(client), None)),
            await is_known(parts, JwtCredentials(new.assertion(client), None)),
        ]

    assert await known() == [True, False, False]
    assert (await parts.manage.rotate(client.name, json.dumps(old.jwk), at_once=False)).secret is None
    assert await known() == [True, True, False]
    await parts.manage.rotate(client.name, json.dumps({"keys": [old.jwk, new.jwk]}), at_once=True)
    assert await known() == [False, True, True]
    back = await parts.manage.rotate(client.name, at_once=False)
    assert await known() == [False, True, True]
    assert await is_known(parts, secret_of(back))
    last = await parts.manage.rotate(client.name, at_once=True)
    assert await known() == [False, False, False]
    assert [await is_known(parts, secret_of(one)) for one in (back, last)] == [False, True]


async def test_scopes_are_replaced(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a")
    await parts.manage.set_scopes(client.name, ["c", "b"])
    assert (await parts.manage.find(client.name)).scopes == ("b", "c")
    assert await events_of(sql, client.id) == [
        ("client.scopes_changed", {"name": client.name, "scopes": "b c"})
    ]
    with pytest.raises(Refused, match="scope_invalid"):
        await parts.manage.set_scopes(client.name, [""])


async def test_a_deletion_revokes_the_client_s_id_for_as_long_as_its_tokens_may_live(
    parts: Parts, sql: Sql
) -> None:
    client = await new_client(sql, "a")
    await until(parts.service.revocations.reindex)
    await parts.manage.delete(client.name)
    # Every replica knows at once, and does not wait until it reads Postgres again.
    assert await parts.service.revocations.index.find([str(client.id)])
    left = "SELECT expires_at - now() FROM revocations WHERE id = $1"
    ttl = parts.service.core.authenticate.policy.revocation_ttl
    assert (await sql.fetchval(left, str(client.id))).total_seconds() == pytest.approx(
        ttl.total_seconds(), abs=60
    )
    assert await parts.service.revocations.any_revoked([str(client.id)])
    assert await events_of(sql, client.id) == [("client.deleted", {"name": client.name})]


async def test_a_client_that_was_deleted_meanwhile_is_unknown(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "a")
    found = await parts.manage.find(client.name)

    class Stale(ManageClients):
        async def find(self, name: str) -> Any:
            return found

    stale = Stale(parts.manage.clients, parts.manage.revocations, parts.manage.random)
    await parts.manage.delete(client.name)
    for change in (
        stale.rotate(client.name, at_once=False),
        stale.rotate(client.name, json.dumps(new_signer().jwk), at_once=True),
        stale.set_scopes(client.name, ["a"]),
        stale.delete(client.name),
    ):
        with pytest.raises(Refused, match="client_unknown"):
            await change
    assert [kind for kind, _ in await events_of(sql, client.id)] == ["client.deleted"]
