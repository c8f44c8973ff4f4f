"""A pool of connections to Postgres, and the two ways to use one: a statement, or a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.storage.postgres.outages import is_left_unusable, translate
from app.storage.postgres.tables import PROBE
from app.storage.postgres.urls import database_url

BATCH = 1000
"""How many rows one statement ends or deletes, where there may be millions."""
PURGING = 0x776174636869
"""The advisory lock under which old rows are deleted. The number only has to be unique in the database."""
CONNECT_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 5.0


class ServerFacts(NamedTuple):
    """The major version of Postgres, how safe a commit is, and the time of the server."""

    version: int
    waits_for_commits: bool
    writes_through: bool
    now: datetime


def open_engine(url: str, *, pool_size: int) -> AsyncEngine:
    """An engine with a pool of fixed size, which begins no transaction by itself.

    A connection that goes back to the pool is not reset: no statement here leaves session state behind.
    """
    engine = create_async_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT,
        pool_reset_on_return=None,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": STATEMENT_TIMEOUT,
            "target_session_attrs": "read-write",
            "server_settings": {
                "application_name": "watchword",
                # The statements are written for it, and a database may have another default.
                "default_transaction_isolation": "read committed",
                "statement_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
                "idle_in_transaction_session_timeout": str(int(STATEMENT_TIMEOUT * 1000)),
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(dbapi_connection: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError


class Database:
    """Runs the statements of all stores; every outage becomes the refusal ``unavailable``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of one statement, committed by itself."""
        found = await self.rows(statement, *arguments)
        return found[0] if found else None

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of one statement, committed by itself. It skips SQLAlchemy, for the hot paths."""
        try:
            pooled = await self.engine.raw_connection()
            driver = pooled.driver_connection
            assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - tells mypy what the URL fixed
            try:
                return await driver.fetch(statement, *arguments)
            except BaseException as error:
                if is_left_unusable(error):
                    pooled.invalidate()
                raise
            finally:
                pooled.close()
        except Exception as error:
            translate(error)
            raise

    async def ping(self) -> None:
        """Ask Postgres; raises when it does not answer, or its tables are older than this release."""
        await self.rows(PROBE)

    async def describe(self) -> ServerFacts:
        """The facts about the server that decide whether data is safe there."""
        (row,) = await self.rows(
            """SELECT current_setting('server_version_num')::int / 10000 AS version,
                      current_setting('synchronous_commit') <> 'off' AS waits_for_commits,
                      current_setting('fsync')::bool AS writes_through,
                      clock_timestamp() AS now"""
        )
        return ServerFacts(
            version=row["version"],
            waits_for_commits=row["waits_for_commits"],
            writes_through=row["writes_through"],
            now=row["now"],
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A READ COMMITTED transaction for SQLAlchemy Core; an exception rolls it back."""
        try:
            async with self.engine.connect() as connection:
                try:
                    async with connection.begin():
                        yield connection
                except BaseException as error:
                    if is_left_unusable(error):
                        await connection.invalidate()
                    raise
        except Exception as error:
            translate(error)
            raise
