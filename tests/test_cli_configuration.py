"""``check-config`` looks at what the settings name, and says what is wrong with it."""

import asyncio

import redis

from tests.servers import PrivateServers, app, migrate


async def test_what_the_settings_name_is_looked_at(private_servers: PrivateServers) -> None:
    environment = private_servers.environment

    async def check() -> tuple[int, str, str]:
        done = await asyncio.to_thread(app, "check-config", environment=environment)
        return done.returncode, done.stdout, done.stderr.splitlines()[-1] if done.stderr else ""

    status, said, refused = await check()
    assert (status, said) == (1, "")
    assert refused == "the tables are missing or too old; run: python -m app migrate"

    await asyncio.to_thread(migrate, environment)
    assert (await check())[:2] == (0, "settings: ok\npostgres: ok\nredis: ok\n")

    with redis.Redis.from_url(private_servers.valkey.url) as operator:
        operator.config_set("maxmemory-policy", "allkeys-lru")
    status, said, _ = await check()
    assert (status, said.splitlines()[-1]) == (
        1,
        "redis: Redis may evict entries: set maxmemory-policy noeviction",
    )

    private_servers.valkey.kill()
    status, said, _ = await check()
    assert (status, said.splitlines()[-1]) == (1, "redis: Redis does not answer, or refuses to write")

    private_servers.postgres.kill()
    status, said, refused = await check()
    assert (status, said) == (1, "")
    assert refused.startswith("Postgres does not answer")
