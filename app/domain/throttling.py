"""Throttling: how many failures are let through, and within which time."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many in a window that begins with the first of them."""

    amount: int
    window: timedelta
