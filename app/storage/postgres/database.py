"""One pool of connections to Postgres, and the two ways to use one: a statement, or a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.domain.refusals import Refusal, Refused

_LAST_PORT = 65_535
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
BATCH = 1000
"""Rows that one statement ends or deletes, where there may be millions."""
PURGING = 0x776174636869
"""The advisory lock of whoever deletes old rows; any number serves that nothing else in the database uses."""
CONNECT_TIMEOUT = 5.0
STATEMENT_TIMEOUT = 5.0

_OUTAGES = (
    OSError,
    TimeoutError,
    PoolTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_MISSING = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
_DENIED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


class Misconfigured(Refused):
    """Postgres answers, but not as it should; ``mend`` tells the operator what to do."""

    def __init__(self, mend: str) -> None:
        super().__init__(Refusal.UNAVAILABLE)
        self.mend = mend


class ServerFacts(NamedTuple):
    """What Postgres says of itself: its major version, how safe a commit is there, and what time it is."""

    version: int
    waits_for_commits: bool
    writes_through: bool
    now: datetime


def database_url(text: str) -> URL:
    """The URL for asyncpg, whether or not the operator named the driver; libpq's ``sslmode`` is understood.

    ValueError when it is no URL, or asks for something that the driver does not know.
    """
    try:
        url = make_url(text).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise ValueError("is not of the form postgresql://user:password@host:5432/database") from None
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise ValueError(f"there is no port {url.port}")
    if unknown := url.query.keys() - {"host", "port", "ssl", "sslmode"}:
        raise ValueError(f"understands sslmode, host and port after the question mark, not {min(unknown)}")
    mode = url.query.get("sslmode")
    if mode is None:
        return url
    if mode not in _SSL_MODES:
        raise ValueError(f"sslmode is one of {', '.join(_SSL_MODES)}")
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def servers(text: str) -> tuple[list[str], str | None]:
    """The hosts that a URL names, of which a socket's is a path or empty, and its ``sslmode``."""
    url = database_url(text)
    asked = url.query.get("host", url.host or "")
    hosts = [asked] if isinstance(asked, str) else asked
    mode = url.query.get("ssl")
    # Several hosts have their ports with them, and an IPv6 address has more than one colon.
    named = [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]
    return named, mode if isinstance(mode, str) else None


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
        self._engine = engine

    async def row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of one statement, committed by itself."""
        found = await self.rows(statement, *arguments)
        return found[0] if found else None

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of one statement, committed by itself; straight to the driver, as hot paths want."""
        try:
            pooled = await self._engine.raw_connection()
            driver = pooled.driver_connection
            assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - tells mypy what the URL fixed
            try:
                return await driver.fetch(statement, *arguments)
            except BaseException as error:
                if _is_left_unusable(error):
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
            async with self._engine.connect() as connection:
                try:
                    async with connection.begin():
                        yield connection
                except BaseException as error:
                    if _is_left_unusable(error):
                        await connection.invalidate()
                    raise
        except Exception as error:
            translate(error)
            raise


def _is_left_unusable(error: BaseException) -> bool:
    """Whether the connection is in an unknown state: cut off, timed out or cancelled."""
    return isinstance(_cause(error), _OUTAGES) or not isinstance(error, Exception)


def translate(error: Exception) -> None:
    """Raise what an error of the driver means to the service, if it means anything."""
    cause = _cause(error)
    if isinstance(cause, _OUTAGES):
        raise Refused(Refusal.UNAVAILABLE) from error
    if isinstance(cause, _MISSING):
        raise Misconfigured("the tables are missing or too old; run: python -m app migrate") from error
    if isinstance(cause, _DENIED):
        raise Misconfigured(f"AUTH_DATABASE_URL: Postgres says: {cause}") from error


def _cause(error: BaseException) -> BaseException:
    """The driver's own exception, which SQLAlchemy's adapter wraps, and SQLAlchemy sometimes once more."""
    adapted = error.orig if isinstance(error, DBAPIError) else error
    cause = adapted.__cause__ if adapted else None
    return cause if isinstance(cause, _DRIVER_ERRORS) else adapted or error
