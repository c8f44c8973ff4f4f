"""The clock: code that needs the time takes a clock as an argument. Times have one form as text."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the current time as an aware UTC datetime."""


def timestamp(moment: datetime) -> str:
    """The moment as a text of RFC 3339 that always has the same width: in UTC, with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


TOLERANCE = timedelta(seconds=1)
"""Clocks that are set by NTP differ by less."""


def difference(asked: datetime, theirs: datetime, answered: datetime) -> timedelta:
    """How far another clock is from ours, which was read before the question and after the answer."""
    return max(asked - theirs, theirs - answered, timedelta())
