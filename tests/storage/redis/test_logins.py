"""A login of any letters; each new connection uses the one that the file of the URL has by then."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis.asyncio import RedisCluster

from app.storage.redis.client import open_client
from app.storage.redis.connection import SingleServer
from app.storage.redis.redis_py import Bounded
from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.database import connect
from tests.support.people import login, me, new_person
from tests.support.revocations import holding
from tests.support.servers import ISSUER, Service
from tests.support.valkeys import Node, alone
from tests.support.waiting import WELL, client_of, complete_logs, health, until

LETTERS, ANOTHER = "p@ss:w/o+rd%#?é", "another one"


def change(node: Node, password: str) -> None:
    """Replace the password, and end the connections that were made with the old one."""
    node.operator.execute_command(
        "ACL", "SETUSER", "ww", "reset", "on", f">{password}", "~{watchword}:*", "+@all"
    )
    node.operator.execute_command("CLIENT", "KILL", "USER", "ww")


def named(node: Node, password: str) -> str:
    return f"redis://ww:{quote(password, safe='')}@{node.address}/0"


async def nothing() -> dict[str, timedelta]:
    return {}


async def test_a_new_password_in_the_file_is_used_by_the_next_connection() -> None:
    with alone() as node:
        await asyncio.to_thread(change, node, LETTERS)
        told = [named(node, LETTERS)]
        index = RevocationIndex(told[0], ISSUER, lambda: told[0])

        async def is_trusted() -> bool:
            return await index.rebuild(holding(nothing)) is IndexState.TRUSTED

        async def is_refused() -> bool:
            await index.rebuild(holding(nothing))
            return "WRONGPASS" in (index.cause or "") or "invalid username-password" in (index.cause or "")

        await until(is_trusted)
        await asyncio.to_thread(change, node, ANOTHER)
        await until(is_refused)
        for useless in ("not a URL", node.url, "redis://ww:1@h:port"):
            told[0] = useless
            await until(is_refused)
        # Of the new URL, only the login counts.
        told[0] = f"redis://ww:{quote(ANOTHER)}@elsewhere.example:1/7"
        await until(is_trusted)
        await index.close()


async def test_a_running_service_goes_on_with_a_new_password_of_redis(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "redis_url"
    sql = await connect(environment["AUTH_DATABASE_URL"])
    person = await new_person(sql)
    with alone() as node:
        await asyncio.to_thread(change, node, LETTERS)
        file.write_text(named(node, LETTERS))
        own = environment | {"AUTH_REDIS_URL": "", "AUTH_REDIS_URL_FILE": str(file)}
        with Service(own, tmp_path) as service:
            async with client_of(service) as client:

                async def all_is_well() -> bool:
                    return await health(client) == (200, WELL)

                async def redis_is_refused() -> bool:
                    return (await health(client))[1]["redis"] == "failing"

                await until(all_is_well)
                await asyncio.to_thread(change, node, ANOTHER)
                await until(redis_is_refused)
                assert (await login(client, person)).status_code == 200
                file.write_text(named(node, ANOTHER))
                await until(all_is_well)
                token = (await login(client, person)).json()["access_token"]
                assert (await me(client, token)).status_code == 200
            logs = await complete_logs(service)
        assert "WRONGPASS" in logs or "invalid username-password" in logs
        assert not any(secret in logs for secret in (LETTERS, ANOTHER, quote(LETTERS, safe="")))
    await sql.close()


@pytest.mark.parametrize(
    "kind",
    [
        "redis://ww:old@h/0",
        "unix://ww:old@/h",
        "rediss://ww:old@h/0",
        "redis+sentinel://ww:old@h/svc/0",
        "redis+cluster://ww:old@h",
    ],
)
async def test_every_kind_of_server_is_given_the_new_login(kind: str) -> None:
    assert await logins(kind, kind.replace("old", "new")) == ("ww", "new")
    scheme, _, rest = kind.partition("://ww:")
    alone = f"{scheme}://:{rest}"
    assert await logins(alone, alone.replace("old", "new")) == ("new",)
    for useless in (None, "", "not a URL", "redis://h/0"):
        assert await logins(alone, useless) == ("old",)
    assert await logins(f"{scheme}://{rest.partition('@')[2]}", kind) == ()


async def logins(url: str, fresh: str | None) -> tuple[str, ...]:
    """The login of the next connection of a client, once the file of its URL has another one."""
    client = open_client(url, read_again=lambda: fresh)
    if isinstance(client, SingleServer):
        return tuple(client.login())
    assert isinstance(client, Bounded)
    pool: Any = client.client if isinstance(client.client, RedisCluster) else client.client.connection_pool
    provider = pool.connection_kwargs.get("credential_provider")
    return () if provider is None else tuple(await provider.get_credentials_async())
