"""A document of the issuer that is kept fresh in the background, with at most one fetch at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import SystemRandom
from typing import Generic, NamedTuple, TypeVar

from watchword_verifier.clock import Clock
from watchword_verifier.errors import FetchError

T = TypeVar("T")

LOGGER = logging.getLogger("watchword_verifier")
LONGEST_PAUSE = 30.0
"""Seconds between two attempts while the issuer cannot be reached."""
NEVER = float("-inf")
_random = SystemRandom()


class Loaded(NamedTuple, Generic[T]):
    """A document, and for how many seconds it needs no refresh."""

    value: T
    fresh_for: float


class Cached(Generic[T]):
    """The last good version of a document. A failed fetch leaves it as it is.

    The attributes may be read from any thread; the methods belong to the event loop that fetches.
    """

    def __init__(self, name: str, clock: Clock, load: Callable[[], Awaitable[Loaded[T]]]) -> None:
        """``load`` fetches and parses, or raises ``FetchError``. ``name`` is for the log."""
        self.value: T | None = None
        self.fetched_at = NEVER
        """When the fetch of the value began, by the monotonic clock."""
        self.attempted_at = NEVER
        """When the last fetch began, by the monotonic clock."""
        self.error: str | None = None
        """Why the last fetch failed; None when it did not."""
        self.is_outage = False
        """Whether the last fetch failed because the issuer is down."""
        self._name = name
        self._clock = clock
        self._load = load
        self._fresh_for = 0.0
        self._failures = 0
        self._fetching: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    @property
    def is_fetching(self) -> bool:
        """Whether a fetch is under way."""
        task = self._fetching
        return task is not None and not task.done()

    async def fetch(self) -> None:
        """Fetch now, or wait for the fetch that is under way. It never raises, and outlives its waiters."""
        if self._fetching is None or self._fetching.done():
            # Set here, so that no thread can find the document without an attempt that has begun.
            self.attempted_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._fetch(self.attempted_at))
        await asyncio.shield(self._fetching)

    async def keep_fresh(self) -> None:
        """Fetch again and again, until cancelled."""
        while True:
            if self._hurry.is_set() and self.is_fetching:
                await self.fetch()  # It began before the hurry, so what it brings may be too old.
            self._hurry.clear()
            await self.fetch()
            with suppress(TimeoutError):
                async with self._clock.timeout(self._pause()):
                    await self._hurry.wait()

    def hurry(self) -> None:
        """Let ``keep_fresh`` fetch again as soon as the present fetch is done."""
        self._hurry.set()

    async def close(self) -> None:
        """Stop the fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _pause(self) -> float:
        """Shortened at random, so that the processes of a service do not all ask at the same moment."""
        if self._failures:
            # Waits of 0.5 to 1 s at first, then twice as long after each failure.
            return min(LONGEST_PAUSE, 2.0 ** (self._failures - 1)) * _random.uniform(0.5, 1.0)
        return self._fresh_for * _random.uniform(0.9, 1.0)

    async def _fetch(self, begun: float) -> None:
        try:
            loaded = await self._load()
        except FetchError as error:
            self._failed(str(error))
            self.is_outage = error.is_outage
        except Exception as error:
            self._failed(f"unexpectedly, {type(error).__name__}")
            self.is_outage = False
            LOGGER.exception("%s could not be loaded", self._name)
        else:
            if self._failures:
                LOGGER.info("%s: fetched again after %d failures", self._name, self._failures)
            self.value, self._fresh_for = loaded
            self.fetched_at, self.error, self._failures, self.is_outage = begun, None, 0, False

    def _failed(self, error: str) -> None:
        if error != self.error:
            LOGGER.warning("%s could not be fetched: %s", self._name, error)
        self.error = error
        self._failures = min(self._failures + 1, 16)
