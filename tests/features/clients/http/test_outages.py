"""Service clients while Redis or Postgres is away: the first changes nothing, the second is said."""

from pathlib import Path

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
from tests.support.database import connect
from tests.support.people import bearing, problem_of
from tests.support.servers import PrivateServers, Service, migrate
from tests.support.waiting import client_of


async def test_redis_is_not_needed_and_postgres_is(private_servers: PrivateServers, tmp_path: Path) -> None:
    environment = private_servers.environment
    migrate(environment)
    sql = await connect(environment["AUTH_DATABASE_URL"])
    key = new_signer()
    orders = await new_client(sql, "introspect", keys=(key.jwk,))
    await sql.close()
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            before = await token_of(client, orders)
            private_servers.valkey.kill()
            token = await token_of(client, orders)
            for form, status in ((asserting(key.assertion(orders)), 200), (asserting("x"), 401)):
                assert (await client.post("/token", data=GRANT | form)).status_code == status
            wrong = await client.post("/token", data=GRANT, headers=basic(orders.id, "wrong"))
            oauth_error(wrong, 401, "invalid_client")
            assert (await client.post("/revoke", data={"token": before}, headers=proof(orders))).is_success
            for asked, active in ((token, True), (before, False)):
                answer = await client.post("/introspect", data={"token": asked}, headers=bearing(token))
                assert answer.json()["active"] is active
            # A token that is revoked asks nothing either.
            refused = await client.post("/introspect", data={"token": token}, headers=bearing(before))
            oauth_error(refused, 401, "invalid_token")

            private_servers.postgres.kill()
            for path, form, headers in (
                ("/token", GRANT, proof(orders)),
                ("/token", GRANT | asserting(key.assertion(orders)), {}),
                ("/introspect", {"token": token}, proof(orders)),
                ("/introspect", {"token": token}, bearing(token)),
                ("/revoke", {"token": token}, proof(orders)),
                ("/revoke", {"token": token}, {}),
            ):
                problem_of(await client.post(path, data=form, headers=headers), 503, "unavailable")
