"""What a service leaves behind contains no client's secret, no assertion and no token of a client."""

from base64 import urlsafe_b64decode
from pathlib import Path

import httpx2
import pytest

from tests.support.clients import GRANT, asserting, basic, claims_of, new_client, new_signer, proof
from tests.support.database import connect
from tests.support.leaks import (
    access_token_needles,
    database_files,
    events,
    redis_contents,
    spellings,
    tables,
)
from tests.support.people import bearing, marker
from tests.support.servers import PrivateServers, Service, app, migrate
from tests.support.tokens import members
from tests.support.waiting import client_of


def secret_needles(secret: str) -> list[bytes]:
    """The secret, its bytes, and its random ones."""
    raw = urlsafe_b64decode(secret.removeprefix("wwc_"))
    return [secret.encode(), *spellings(raw), *spellings(raw[17:49])]


async def walk(client: httpx2.AsyncClient, secrets: list[str], client_id: str) -> list[str]:
    """Right and wrong ways to send the secrets; returns the access tokens."""
    tokens = []
    for secret in secrets:
        answer = await client.post("/token", data=GRANT, headers=basic(client_id, secret))
        tokens.append(answer.json()["access_token"])
        await client.post("/token", data=GRANT | {"client_id": client_id, "client_secret": secret})
        await client.post("/token", data=GRANT, headers=basic(secret, client_id))
        await client.post("/token", data={"grant_type": secret}, headers=basic(client_id, secret))
        await client.post("/token", data=GRANT | {"scope": secret}, headers=basic(client_id, secret))
        await client.post("/token", json=GRANT | {"client_secret": secret})
        await client.post("/introspect", data={"token": secret}, headers=bearing(tokens[-1]))
        await client.post("/revoke", data={"token": secret, "token_type_hint": secret})
        await client.post("/revoke", data={"token": "x", "client_id": secret})
        await client.get("/me", headers=bearing(secret))
    for token in tokens:
        await client.post("/introspect", data={"token": token}, headers=basic(client_id, secrets[-1]))
        await client.post("/revoke", data={"token": token}, headers=basic(client_id, secrets[-1]))
    return tokens


@pytest.mark.requirement("S1", "E5")
async def test_neither_a_secret_nor_an_assertion_nor_a_token_is_left_behind(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    environment = private_servers.environment
    migrate(environment)
    created = app("clients", "create", "orders", "--scope", "introspect", environment=environment)
    rotated = app("clients", "rotate", "orders", environment=environment)
    secrets = [done.stdout.splitlines()[1] for done in (created, rotated)]
    client_id = created.stdout.splitlines()[0].rpartition(" ")[2]
    key, planted = new_signer(), marker()
    with Service(environment, tmp_path) as service:
        sql = await connect(environment["AUTH_DATABASE_URL"])
        billing = await new_client(sql, "introspect", keys=(key.jwk,))
        assertions = [
            key.assertion(billing),
            key.assertion(billing, payload=members(claims_of(billing) | {"exp": 1})),
        ]
        async with client_of(service) as client:
            tokens = await walk(client, secrets, client_id)
            for assertion in assertions:
                answer = await client.post("/token", data=GRANT | asserting(assertion))
                if answer.is_success:
                    tokens.append(answer.json()["access_token"])
            await client.get("/livez", headers={"X-Request-ID": planted})
            await client.post("/token", data=GRANT, headers=proof(billing) | {"X-Request-ID": planted})
        service.terminate()
    places = {
        "the tables": await tables(sql),
        "the events": await events(sql),
        "Postgres's files": await database_files(sql),
        "Redis": redis_contents(environment["AUTH_REDIS_URL"]),
        "the log": service.logs().encode(),
        "the commands' errors": (created.stderr + rotated.stderr).encode(),
    }
    await sql.close()
    assert len(tokens) == 3
    assert planted.encode() in places["the log"]
    assert client_id.encode() in places["the events"]
    needles = [needle for secret in secrets for needle in secret_needles(secret)]
    needles += [needle for token in (*tokens, *assertions) for needle in access_token_needles(token)]
    found = {place for place, contents in places.items() for needle in needles if needle in contents}
    assert found == set()
