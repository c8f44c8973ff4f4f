"""Logs why the service cannot answer."""

from collections.abc import Callable
from time import monotonic

import structlog

from app.domain.refusals import Unavailable
from app.storage.postgres.outages import Misconfigured

EVERY = 1.0
"""Seconds between two lines about the same cause: an outage meets every request."""
MOST_CAUSES = 100

_log = structlog.get_logger()


class OutageLog:
    """Logs the causes of ``unavailable`` in the words of what failed, each at most once a second."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        """``seconds`` is a clock that never goes back."""
        self._seconds = seconds
        self._due: dict[str, float] = {}

    def __call__(self, refused: Unavailable) -> None:
        """Log the cause, unless it was logged a moment ago."""
        if not self.is_due(refused.reason):
            return
        if isinstance(refused, Misconfigured):
            _log.error("postgres.misconfigured", reason=refused.reason, mend=refused.mend)
        else:
            _log.warning("service.unavailable", reason=refused.reason)

    def is_due(self, cause: str) -> bool:
        """Whether the cause was not logged a moment ago; it counts as logged from now on."""
        now = self._seconds()
        if now < self._due.get(cause, now):
            return False
        if len(self._due) >= MOST_CAUSES:
            self._due.clear()
        self._due[cause] = now + EVERY
        return True


log_outage = OutageLog()
