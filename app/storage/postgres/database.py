"""One pool of connections to Postgres, and the two ways to use one: a statement, or a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.storage.postgres.outages import is_left_unusable, translate
from app.storage.postgres.urls import database_url

BATCH = 1000
"""Rows that one statement ends or deletes, where there may be millions."""
PURGING = 0x776174636869
"""The advisory lock of whoever deletes old rows; any number serves that nothing else in the database uses."""
CONNECT_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 5.0


class ServerFacts(NamedTuple):
    """What Postgres says of itself: its major version, how safe a commit is there, and what time it is."""

    version: int
    waits_for_commits: bool
    writes_through: bool
    now: datetime


def open_engine(url: str, *, pool_size: int) -> AsyncEngine:
    """An engine with a fixed pool and no transaction that was not asked for.

    Nothing is sent when a connection is taken or given back: no statement leaves session state behind.
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
    """What the stores share; every outage becomes the refusal ``unavailable``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of one statement, committed by itself."""
        found = await self.rows(statement, *arguments)
        return found[0] if found else None

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of one statement, committed by itself; straight to the driver, as hot paths want."""
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
        """Come back if Postgres answers."""
        await self.rows("SELECT 1")

    async def describe(self) -> ServerFacts:
        """What the server says of itself."""
        (told,) = await self.rows(
            """SELECT current_setting('server_version_num')::int / 10000,
                      current_setting('synchronous_commit') <> 'off',
                      current_setting('fsync')::bool,
                      clock_timestamp()"""
        )
        return ServerFacts(*told)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A READ COMMITTED transaction for SQLAlchemy Core, rolled back when it is left by an exception."""
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
