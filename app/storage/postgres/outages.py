"""Translates errors of the driver into refusals of the service."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.refusals import Refused, Unavailable

GRANT = "run deploy/grants.sql as the owner of the tables"
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
_MENDS = {
    asyncpg.InvalidAuthorizationSpecificationError: (
        "correct its user and password, or let pg_hba.conf of Postgres accept them"
    ),
    asyncpg.InvalidCatalogNameError: "create this database, or name another one",
    asyncpg.InsufficientPrivilegeError: GRANT,
}
REFUSALS = tuple(_MENDS)
"""Refusals that waiting does not mend."""
_LONGEST_REASON = 500


class Misconfigured(Unavailable):
    """Postgres answers, but the tables or the rights are wrong: ``reason`` says why, ``mend`` what to do."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend

    @property
    def line(self) -> str:
        """Both, for an operator."""
        return f"{self.reason}; {self.mend}"


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
        reason = f"the tables are missing or too old: {_words(cause)}"
        raise Misconfigured(reason, "run: python -m app migrate") from error
    for refusal, mend in _MENDS.items():
        if isinstance(cause, refusal):
            raise Misconfigured(f"AUTH_DATABASE_URL: Postgres says: {_words(cause)}", mend) from error


def _is_outage(cause: BaseException) -> bool:
    # A fatal error of any code ends the session; poolers and platforms have codes of their own.
    is_fatal = isinstance(cause, asyncpg.PostgresError) and "FATAL" in {cause.severity, cause.severity_en}
    return isinstance(cause, _OUTAGES) or (is_fatal and not isinstance(cause, REFUSALS))


def _words(cause: BaseException) -> str:
    """What the server or the system says, without the details, which may hold values of a row."""
    text = (str(cause).strip().splitlines() or [""])[0]
    return text[:_LONGEST_REASON] or type(cause).__name__


def _cause(error: BaseException) -> BaseException:
    """The driver's own exception, which SQLAlchemy's adapter wraps, and SQLAlchemy sometimes once more."""
    adapted = error.orig if isinstance(error, DBAPIError) else error
    cause = adapted.__cause__ if adapted else None
    return cause if isinstance(cause, _DRIVER_ERRORS) else adapted or error
