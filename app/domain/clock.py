"""Time is an argument: whoever needs the hour is handed a clock."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime."""
