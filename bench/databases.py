"""The databases of a benchmark: each system has one of its own, with the same data."""

import asyncio
from collections.abc import Sequence

from bench.seeds import Amounts, Seeds, sow
from bench.systems import Servers, environment
from tests.support.database import connect
from tests.support.servers import migrate

ES256_KEYS = {"AUTH_SIGNING_ALGORITHM": "ES256"}
_NO_REDIS = "redis://127.0.0.1:1/0"
"""Filling a database asks Postgres alone."""


def make(servers: Servers, database: str, copies: Sequence[str] = ()) -> None:
    """Create a database with the tables of a service, and copies of it."""
    execute(servers, f"CREATE DATABASE {database} TEMPLATE template0")
    migrate(environment(servers.database_url(database), _NO_REDIS))
    copy(servers, database, copies)


def fill(servers: Servers, database: str, amounts: Amounts, **settings: str) -> Seeds:
    """Write keys, accounts and sessions into a database, and return what their clients hold."""
    return asyncio.run(sow(environment(servers.database_url(database), _NO_REDIS, **settings), amounts))


def copy(servers: Servers, database: str, copies: Sequence[str]) -> None:
    """Copy a database to which nothing is connected."""
    execute(servers, *(f"CREATE DATABASE {name} TEMPLATE {database}" for name in copies))


def execute(servers: Servers, *statements: str) -> None:
    """Run statements that belong to no database."""

    async def run() -> None:
        sql = await connect(servers.postgres.url)
        for statement in statements:
            await sql.execute(statement)
        await sql.close()

    asyncio.run(run())
