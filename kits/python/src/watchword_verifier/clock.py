"""Time, as the verifier sees it. Tests give another clock, so that none of them waits."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Clock(Protocol):
    """What the verifier needs of time. All methods may be called from any thread."""

    def wall(self) -> float:
        """Seconds since 1970, for the times in tokens."""

    def monotonic(self) -> float:
        """Seconds that are never set back, for ages."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """A context that raises ``TimeoutError`` after so many seconds."""


class SystemClock:
    """The clock of the machine."""

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """A context that raises ``TimeoutError`` after so many seconds."""
        return asyncio.timeout(seconds)
