"""Translates errors of the driver into refusals of the service."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.refusals import Refusal, Refused

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
    """Postgres answers, but the tables or the rights are wrong; ``mend`` tells the operator what to do."""

    def __init__(self, mend: str) -> None:
        super().__init__(Refusal.UNAVAILABLE)
        self.mend = mend


def is_left_unusable(error: BaseException) -> bool:
    """Whether the connection is in an unknown state: cut off, timed out or cancelled."""
    return isinstance(_cause(error), _OUTAGES) or not isinstance(error, Exception)


def translate(error: Exception) -> None:
    """Raise the refusal for an outage or a wrong configuration; return for any other error."""
    if isinstance(error, Refused):
        return
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
