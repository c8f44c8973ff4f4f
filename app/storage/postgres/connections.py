"""Opens connections to Postgres, directly or through a pooler, with a login that may change meanwhile."""

import asyncio
import os
import re
import ssl
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from getpass import getuser
from typing import Any, TypeAlias, TypeVar

import asyncpg

from app.storage.outages import ReadAgain
from app.storage.postgres.encryption import encryption
from app.storage.postgres.outages import REFUSALS, Misconfigured
from app.storage.postgres.parameters import ISOLATION, LIMITS, STATEMENT_TIMEOUT
from app.storage.postgres.poolers import PooledConnection, UnlimitedConnection, is_pooled
from app.storage.postgres.urls import DatabaseUrl, parse_url

CONNECT_TIMEOUT = 5.0
"""Seconds that connecting to one host may take, unless the URL has another ``connect_timeout``."""

_VARIABLE = "AUTH_DATABASE_URL"
_SESSION = {"default_transaction_isolation": ISOLATION}
_WHO_ANSWERS = """
SELECT pg_backend_pid() AS pid, setting AS statement_timeout FROM pg_settings WHERE name = 'statement_timeout'
"""
_REFUSED_PARAMETERS = (asyncpg.ProtocolViolationError, asyncpg.FeatureNotSupportedError)
_CHECK_TLS = "compare the sslmode and the certificates of both sides"
_CHECK_POOLER = "correct the URL, or the users and databases of the pooler"
_POOLERS_OWN = re.compile("startup parameter|authentication failed|no such (user|database)|does not exist")
"""Lasting refusals of poolers, which have one SQLSTATE for all that they refuse."""

_T = TypeVar("_T")
Connection: TypeAlias = asyncpg.Connection


class Connector:
    """Opens connections to the first host that answers and takes writes."""

    def __init__(
        self,
        url: str,
        *,
        through_pooler: bool | None = None,
        read_again: ReadAgain = lambda: None,
        limited: bool = True,
    ) -> None:
        """ValueError when the URL cannot be used.

        ``through_pooler`` is None when that is to be found out. ``read_again`` returns the URL that its file
        has now, or None; only the login of that URL is used. Only migrations are not ``limited``.
        """
        self._url = _with_user(parse_url(url))
        self._encryption = encryption(self._url)
        self._may_be_pooler, self._through_pooler = through_pooler is not False, through_pooler
        self._read_again, self._limited = read_again, limited

    async def connect(self) -> Connection:
        """Open a connection. If its login is refused, try again with the one that its file has now."""
        url = self._url
        with _explaining():
            try:
                return await self._connect(url)
            except asyncpg.PostgresError as error:
                if not _refuses_login(error):
                    raise
                self._read_login_again()
                if self._url == url:
                    raise
                return await self._connect(self._url)

    def _read_login_again(self) -> None:
        text = self._read_again()
        if text is not None:
            with suppress(ValueError):
                fresh = parse_url(text)
                self._url = replace(self._url, user=fresh.user, password=fresh.password)

    async def _connect(self, url: DatabaseUrl) -> Connection:
        """Try the hosts in their order; raise a temporary failure in preference to a permanent one."""
        failures: list[Exception] = []
        for host, port in url.hosts or (("", 0),):
            try:
                return await self._reach(url, host, port)
            except (OSError, asyncpg.CannotConnectNowError, Misconfigured) as error:
                failures.append(_with_host(error, host, port))
        raise min(failures, key=lambda error: isinstance(error, Misconfigured | ssl.SSLError))

    async def _reach(self, url: DatabaseUrl, host: str, port: int) -> Connection:
        where = {"host": host or None, "port": port or None}
        try:
            return await self._open(url, where | {"ssl": self._encryption.context or False})
        except (ssl.SSLError, ConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as error:
            is_final = isinstance(error, ConnectionRefusedError | asyncpg.InvalidPasswordError)
            if not self._encryption.is_optional or is_final:
                raise
            try:
                return await self._open(url, where | {"ssl": False})
            except asyncpg.InvalidAuthorizationSpecificationError as without_tls:
                # The first refusal does not blame the missing encryption.
                is_first = isinstance(error, asyncpg.InvalidAuthorizationSpecificationError)
                raise (error if is_first else without_tls) from None

    async def _open(self, url: DatabaseUrl, where: dict[str, Any]) -> Connection:
        if self._through_pooler is not True:
            connection = await self._open_directly(url, where)
            if connection is not None:
                return connection
        kind = PooledConnection if self._limited else UnlimitedConnection
        connection = await self._open_as(
            url, where, _session(url), connection_class=kind, statement_cache_size=0
        )
        self._through_pooler = True
        return connection

    async def _open_directly(self, url: DatabaseUrl, where: dict[str, Any]) -> Connection | None:
        """A connection with parameters of its session, or None when a pooler refuses or ignores them."""
        parameters = _session(url) | _SESSION | (LIMITS if self._limited else {})
        try:
            connection = await self._open_as(url, where, parameters)
        except _REFUSED_PARAMETERS as error:
            if self._may_be_pooler:
                return None
            raise Misconfigured(
                f"AUTH_DATABASE_POOLER: is off, and the server refuses parameters as a pooler does: {error}",
                "set it to auto",
            ) from error
        if self._through_pooler is None:
            if await _ask(connection, _has_pooler(connection, parameters)):
                connection.terminate()
                return None
            self._through_pooler = False
        return connection

    async def _open_as(
        self, url: DatabaseUrl, where: dict[str, Any], session: dict[str, str], **options: object
    ) -> Connection:
        arguments = where | {
            "user": url.user,
            "password": url.password,
            "passfile": url.parameters.get("passfile"),
            "database": url.database,
            "direct_tls": self._encryption.is_direct and where["ssl"] is not False,
            "timeout": float(url.parameters.get("connect_timeout", 0)) or CONNECT_TIMEOUT,
            "server_settings": session,
            "target_session_attrs": "any",
        }
        connection: Connection = await asyncpg.connect(**arguments | options)
        await _ask(connection, _require_usable(connection))
        return connection


def _with_host(error: Exception, host: str, port: int) -> Exception:
    """An error of the system with the host in its text, where uvloop left it out."""
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError) or host in (error.strerror or host):
        return error
    return type(error)(error.errno, f"{error.strerror} ({host}:{port})")


def _session(url: DatabaseUrl) -> dict[str, str]:
    """The parameters that the URL itself sets; poolers take the name of the application."""
    given = url.parameters
    name = given.get("application_name") or given.get("fallback_application_name") or "watchword"
    return {"application_name": name} | ({"options": given["options"]} if "options" in given else {})


def _refuses_login(error: asyncpg.PostgresError) -> bool:
    is_refused = isinstance(error, asyncpg.InvalidAuthorizationSpecificationError)
    return is_refused or "authentication failed" in str(error)


async def _ask(connection: Connection, question: Awaitable[_T]) -> _T:
    """The answer to a question about a new connection, which is terminated if there is none in time."""
    try:
        async with asyncio.timeout(STATEMENT_TIMEOUT):
            return await question
    except BaseException:
        connection.terminate()
        raise


async def _has_pooler(connection: Connection, parameters: Mapping[str, str]) -> bool:
    """Whether another session answers than the one that was opened, or one without its parameters."""
    async with connection.transaction():
        statement = await connection.prepare(_WHO_ANSWERS, name="")
        (answer,) = await statement.fetch()
    asked = parameters.get("statement_timeout", answer["statement_timeout"])
    return (answer["pid"], answer["statement_timeout"]) != (connection.get_server_pid(), asked)


async def _require_usable(connection: Connection) -> None:
    """Raise Misconfigured unless the database stores UTF-8 and the server takes writes."""
    reported = connection.get_settings()
    if reported.server_encoding != "UTF8":
        raise Misconfigured(
            f"{_VARIABLE}: the database has the encoding {reported.server_encoding}",
            "create one with: CREATE DATABASE watchword TEMPLATE template0 ENCODING 'UTF8'",
        )
    if is_pooled(connection):
        # The pooler repeats what another session reported.
        is_read_only = (await connection.fetch("SHOW transaction_read_only"))[0][0] == "on"
    else:
        is_read_only = "on" in {reported.in_hot_standby, reported.default_transaction_read_only}
    if is_read_only:
        raise Misconfigured(f"{_VARIABLE}: the server is read-only", "name the primary")


def _with_user(url: DatabaseUrl) -> DatabaseUrl:
    """The URL with the name of this process's user where it names none, as libpq does it."""
    if url.user is None and not os.environ.get("PGUSER"):
        try:
            getuser()
        except (OSError, KeyError):
            raise ValueError("names no user, and this process has no name either") from None
    return url


@contextmanager
def _explaining() -> Iterator[None]:
    """Turn what waiting does not mend into Misconfigured, in words that name the setting."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Misconfigured(
            f"{_VARIABLE}: the certificate of Postgres is refused: {error.verify_message}",
            "sslrootcert=/path names the certificate of its authority",
        ) from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise
    except ssl.SSLError as error:
        raise Misconfigured(f"{_VARIABLE}: TLS with Postgres fails: {error.reason}", _CHECK_TLS) from error
    except ConnectionError as error:
        if "rejected SSL upgrade" in str(error):
            raise Misconfigured(
                f"{_VARIABLE}: the server offers no TLS, and sslmode asks for it",
                "switch it on there (ssl = on)",
            ) from error
        raise
    except (ValueError, asyncpg.InterfaceError) as error:
        raise Misconfigured(f"{_VARIABLE}: {error}", "correct the URL") from error
    except REFUSALS:
        raise
    except asyncpg.PostgresError as error:
        if _POOLERS_OWN.search(str(error)):
            raise Misconfigured(f"{_VARIABLE}: the pooler says: {error}", _CHECK_POOLER) from error
        # Poolers and platforms have SQLSTATEs of their own for "not now".
        raise ConnectionError(str(error)) from None
