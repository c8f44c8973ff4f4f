"""Translates errors of the driver into refusals of the service."""

import asyncpg

from app.domain.refusals import Refused, Unavailable
from app.storage.outages import words

GRANT = "run deploy/grants.sql as the owner of the tables"
_OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A migration changed a column between two transactions on this connection.
    asyncpg.InvalidCachedStatementError,
    # Errors of the server itself. Some poolers use their codes for "not now".
    asyncpg.InternalServerError,
    asyncpg.PostgresSystemError,
)
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
    return _is_outage(error) or not isinstance(error, Exception)


def translate(error: Exception) -> None:
    """Raise the refusal for an outage or a wrong configuration; return for any other error."""
    if isinstance(error, Refused):
        return
    if _is_outage(error):
        raise Unavailable(words(error)) from error
    if isinstance(error, _MISSING):
        reason = f"the tables are missing or too old: {words(error)}"
        raise Misconfigured(reason, "run: python -m app migrate") from error
    for refusal, mend in _MENDS.items():
        if isinstance(error, refusal):
            raise Misconfigured(f"AUTH_DATABASE_URL: Postgres says: {words(error)}", mend) from error


def _is_outage(error: BaseException) -> bool:
    # A fatal error of any code ends the session; poolers and platforms have codes of their own.
    is_fatal = isinstance(error, asyncpg.PostgresError) and "FATAL" in {error.severity, error.severity_en}
    return isinstance(error, _OUTAGES) or (is_fatal and not isinstance(error, REFUSALS))
