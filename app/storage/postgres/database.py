"""A pool of connections to Postgres, and the two ways to use one: a statement, or a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.storage.postgres.connections import CONNECT_TIMEOUT, Connector, ReadAgain
from app.storage.postgres.outages import GRANT, Misconfigured, is_left_unusable, translate
from app.storage.postgres.parameters import ISOLATION
from app.storage.postgres.poolers import is_pooled
from app.storage.postgres.tables import PROBE, metadata

BATCH = 1000
"""How many rows one statement ends or deletes, where there may be millions."""
PURGING = 0x776174636869
"""The advisory lock under which old rows are deleted. The number only has to be unique in the database."""
_DIALECT = "postgresql+asyncpg://"
_DESCRIBE = f"""
SELECT current_setting('server_version_num')::int / 10000 AS version,
    current_setting('synchronous_commit') <> 'off' AS waits_for_commits,
    current_setting('fsync')::bool AS writes_through,
    (SELECT bool_or(pg_has_role(relowner, 'MEMBER')) FROM pg_class
        WHERE oid = ANY('{{{",".join(metadata.tables)}}}'::regclass[])) AS owns_tables,
    (SELECT bool_or(has_schema_privilege(oid, schema, 'CREATE')) FROM pg_roles
        WHERE pg_has_role(oid, 'MEMBER')) AS creates_tables,
    clock_timestamp() AS now
FROM (SELECT relnamespace AS schema FROM pg_class WHERE oid = 'accounts'::regclass) AS ours
"""  # noqa: S608 - the only things put in are constants of ours
"""What the role may do counts also where it has to SET ROLE first."""


class Row(Protocol):
    """A row of the driver or of SQLAlchemy, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401 - columns have many types


class ServerFacts(NamedTuple):
    """What the server says of itself and of the role, and how it is reached."""

    version: int
    waits_for_commits: bool
    writes_through: bool
    owns_tables: bool
    creates_tables: bool
    is_pooled: bool
    now: datetime


def open_engine(
    url: str, *, pool_size: int, through_pooler: bool | None = None, read_again: ReadAgain = lambda: None
) -> AsyncEngine:
    """An engine with a pool of fixed size, which begins no transaction by itself.

    A connection that goes back to the pool is not reset: no statement here leaves session state behind.
    ValueError when the URL cannot be used; ``Connector`` says what the arguments mean.
    """
    engine = create_async_engine(
        _DIALECT,
        async_creator=Connector(url, through_pooler=through_pooler, read_again=read_again).connect,
        isolation_level=ISOLATION,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT,
        pool_reset_on_return=None,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _keep_nothing_prepared)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def open_migration_engine(url: str, *, through_pooler: bool | None = None) -> AsyncEngine:
    """An engine without a pool and without time limits."""
    engine = create_async_engine(
        _DIALECT,
        async_creator=Connector(url, through_pooler=through_pooler, limited=False).connect,
        isolation_level=ISOLATION,
        poolclass=NullPool,
    )
    event.listen(engine.sync_engine, "connect", _keep_nothing_prepared)
    return engine


def _keep_nothing_prepared(adapter: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
    """Switch SQLAlchemy's cache of prepared statements off where a pooler may change the session."""
    if is_pooled(adapter.driver_connection):
        adapter._prepared_statement_cache = None  # noqa: SLF001 - an engine has one size for all connections


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

    async def ping(self) -> datetime:
        """Return the time of Postgres; raises when it does not answer, or requests would fail there.

        Misconfigured names what is missing: a column of this release, a right, the isolation.
        """
        (row,) = await self.rows(PROBE)
        if row["missing"]:
            raise Misconfigured(
                f"AUTH_DATABASE_URL: the role {row['role']} lacks rights: {', '.join(row['missing'])}", GRANT
            )
        if row["isolation"].upper() != ISOLATION:
            raise Misconfigured(
                f"AUTH_DATABASE_URL: statements run as {row['isolation'].upper()} instead of {ISOLATION}",
                "if a pooler answers, set AUTH_DATABASE_POOLER=on",
            )
        now: datetime = row["now"]
        return now

    async def describe(self) -> ServerFacts:
        """The facts about the server that decide whether data is safe there; the tables must exist."""
        async with self.transaction() as connection:
            # A connection that went back to the pool has no driver any more.
            driver = (await connection.get_raw_connection()).driver_connection
            row = (await connection.exec_driver_sql(_DESCRIBE)).mappings().one()
        return ServerFacts(
            version=row["version"],
            waits_for_commits=row["waits_for_commits"],
            writes_through=row["writes_through"],
            owns_tables=row["owns_tables"],
            creates_tables=row["creates_tables"],
            is_pooled=is_pooled(driver),
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
