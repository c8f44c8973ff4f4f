"""How long a start waits for Postgres."""

from typing import Any

import structlog
from tenacity import RetryCallState, retry_if_exception, stop_after_delay, wait_fixed

from app.domain.refusals import Refused, Unavailable
from app.settings import DatabaseSettings
from app.storage.postgres.outages import Misconfigured

_log = structlog.get_logger()


def retry_policy(settings: DatabaseSettings) -> dict[str, Any]:
    """Retry while Postgres does not answer. After AUTH_STARTUP_TIMEOUT the last error is raised."""
    return {
        "retry": retry_if_exception(
            lambda error: isinstance(error, Refused) and not isinstance(error, Misconfigured)
        ),
        "stop": stop_after_delay(settings.startup_timeout),
        "wait": wait_fixed(0.5),
        "before_sleep": _log_first_attempt,
        "reraise": True,
    }


def _log_first_attempt(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        error = state.outcome.exception() if state.outcome else None
        reason = error.reason if isinstance(error, Unavailable) else None
        _log.warning("postgres.awaited", variable="AUTH_DATABASE_URL", reason=reason)
