"""A clock that a test advances, so that no test waits."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

DEADLINE = 5.0
"""Seconds that the verifier allows for a fetch."""
START = 1_790_000_000.0


class ManualClock:
    """A clock for several threads and event loops; both of its times advance together."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._numbers = count()
        self._alarms: dict[int, tuple[float, float, Callable[[], None]]] = {}

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._now

    def monotonic(self) -> float:
        """The same seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass, and wake everything that waited for them."""
        with self._lock:
            self._now += seconds
            due = [number for number, (when, _, _) in self._alarms.items() if when <= self._now]
            alarms = [self._alarms.pop(number)[2] for number in due]
        for alarm in alarms:
            alarm()

    def advance_until(self, condition: Callable[[], object]) -> None:
        """Advance by a tenth of a second again and again, until the condition holds."""

        def advanced() -> object:
            self.advance(0.1)
            return condition()

        eventually(advanced)

    async def sleep(self, seconds: float) -> None:
        """Return when the clock was advanced by so many seconds."""
        try:
            async with self.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        """Raise ``TimeoutError`` when the clock was advanced by so many seconds."""
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        async with asyncio.timeout(None) as scope:

            def expire() -> None:
                with suppress(RuntimeError):  # What waited has ended meanwhile.
                    scope.reschedule(loop.time())

            def alarm() -> None:
                with suppress(RuntimeError):  # So has its loop.
                    loop.call_soon_threadsafe(expire)

            with self._lock:
                due = self._now + seconds
                if seconds > 0:
                    self._alarms[number] = (due, seconds, alarm)
            if seconds <= 0:
                alarm()
            try:
                yield
            finally:
                with self._lock:
                    self._alarms.pop(number, None)

    def waits(self, shortest: float, longest: float) -> bool:
        """Whether a wait of such a length has just begun; the deadline of a fetch is none."""
        with self._lock:
            waits = [(when - self._now, of) for when, of, _ in self._alarms.values() if of != DEADLINE]
        return any(shortest <= left and length <= longest for left, length in waits)


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return as soon as the condition holds; the clock of the machine only ends a hang.

    Raises:
        AssertionError: It did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it never came true")
        time.sleep(0.002)
