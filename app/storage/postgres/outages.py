"""Translates errors of the driver into refusals of the service."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.refusals import Refused, Unavailable

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
    # Errors of the server itself. Some poolers use their codes for "not now".
    asyncpg.InternalServerError,
    asyncpg.PostgresSystemError,
)
_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_MISSING = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError)
_DENIED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


_LONGEST_REASON = 500


class Misconfigured(Unavailable):
    """Postgres answers, but the tables or the rights are wrong; ``mend`` tells the operator what to do."""

    def __init__(self, mend: str, reason: str | None = None) -> None:
        super().__init__(reason or mend)
        self.mend = mend


def is_left_unusable(error: BaseException) -> bool:
    """Whether the connection is in an unknown state: cut off, timed out or cancelled."""
    return _is_outage(_cause(error)) or not isinstance(error, Exception)


def translate(error: Exception) -> None:
    """Raise the refusal for an outage or a wrong configuration; return for any other error."""
    if isinstance(error, Refused):
        return
    cause = _cause(error)
    if _is_outage(cause):
        raise Unavailable(_words(cause)) from error
    if isinstance(cause, _MISSING):
        mend = "the tables are missing or too old; run: python -m app migrate"
        raise Misconfigured(mend, _words(cause)) from error
    if isinstance(cause, _DENIED):
        raise Misconfigured(f"AUTH_DATABASE_URL: Postgres says: {cause}", _words(cause)) from error


def _is_outage(cause: BaseException) -> bool:
    # A fatal error ends the session, whatever its code: poolers and platforms have their own.
    is_fatal = isinstance(cause, asyncpg.PostgresError) and "FATAL" in {cause.severity, cause.severity_en}
    return isinstance(cause, _OUTAGES) or (is_fatal and not isinstance(cause, _DENIED))


def _words(cause: BaseException) -> str:
    """What the server or the system says, without the details, which may hold values of a row."""
    text = (str(cause).strip().splitlines() or [""])[0]
    return text[:_LONGEST_REASON] or type(cause).__name__


def _cause(error: BaseException) -> BaseException:
    """The driver's own exception, which SQLAlchemy's adapter wraps, and SQLAlchemy sometimes once more."""
    adapted = error.orig if isinstance(error, DBAPIError) else error
    cause = adapted.__cause__ if adapted else None
    return cause if isinstance(cause, _DRIVER_ERRORS) else adapted or error
