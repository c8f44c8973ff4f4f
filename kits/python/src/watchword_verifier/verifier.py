"""The verifier: access tokens in, identities out, for coroutines and for threads."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from watchword_verifier.background import Background
from watchword_verifier.cached import NEVER
from watchword_verifier.clock import Clock, SystemClock
from watchword_verifier.errors import InvalidToken, Unavailable
from watchword_verifier.identity import Identity
from watchword_verifier.judge import Judge, Need
from watchword_verifier.options import Options, Revocation, environment, options_from
from watchword_verifier.sources import Sources

MAX_WAITING = 64
"""Requests that wait for a fetch at the same time; more are told at once to try again."""
_ROUNDS = 3
"""A token may need a key and a list; when it needs more, something is wrong."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a verifier has at hand, for a readiness check or a metric."""

    has_keys: bool
    keys_age: float | None
    """Seconds since the key set was last fetched; None when it never was."""
    keys_error: str | None
    """Why the last fetch failed; None when it did not."""
    feed_is_live: bool | None
    """None when the verifier does not listen to the feed."""


class Verifier:
    """Verifies access tokens of one issuer (RFC 9068). One is enough for a process.

    It starts also when the issuer is down. Everything is fetched in a thread of its
    own, so no event loop is ever blocked.
    """

    def __init__(self, options: Options, *, clock: Clock | None = None) -> None:
        """Give a ``clock`` only in tests."""
        self.clock: Clock = clock or SystemClock()
        self.options = options
        self._subscribers: set[Callable[[], None]] = set()
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self._background = Background(self._begin, self._end, self._renew)
        self._renew()

    @classmethod
    def from_environment(
        cls, revocation: Revocation | None = None, *, variables: Mapping[str, str] | None = None
    ) -> Self:
        """A verifier with the options of the environment, or of ``variables``; the README lists them.

        Raises:
            ConfigurationError: A variable is missing or makes no sense.
        """
        return cls(options_from(environment() if variables is None else variables, revocation))

    def start(self) -> None:
        """Start fetching, and return at once. Without it, the first token does."""
        self._background.start()

    def close(self) -> None:
        """Stop fetching and close all connections. Blocks for a moment."""
        self._background.close()

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Start now and close at the end: ``FastAPI(lifespan=verifier.lifespan)``."""
        self.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.close)

    async def verify(self, token: str) -> Identity:
        """The identity that an access token stands for.

        It waits at most ``patience`` seconds, and only while a missing key or list is being fetched.

        Raises:
            InvalidToken: The token is not valid: answer 401.
            Unavailable: That cannot be known now: answer 503.
        """
        for _ in range(_ROUNDS):
            with self._fetched_for(token) as found:
                if isinstance(found, Identity):
                    return found
                await asyncio.wrap_future(found)
        raise Unavailable(1)

    def verify_sync(self, token: str) -> Identity:
        """As ``verify``, for threads. In an event loop it could block for ``patience`` seconds."""
        for _ in range(_ROUNDS):
            with self._fetched_for(token) as found:
                if isinstance(found, Identity):
                    return found
                found.result()
        raise Unavailable(1)

    def still_valid(self, identity: Identity) -> bool:
        """Whether a token that was accepted before is so still; True when that cannot be known now."""
        if self.clock.wall() >= identity.expires_at + self.options.leeway:
            return False
        with contextlib.suppress(Unavailable):
            try:
                self._judge.status(identity)
            except InvalidToken:
                return False
        return True

    @contextlib.contextmanager
    def subscribed(self, changed: Callable[[], None]) -> Iterator[None]:
        """Within it, ``changed`` is called in another thread whenever a revocation or a key has arrived."""
        self._subscribers.add(changed)
        try:
            yield
        finally:
            self._subscribers.discard(changed)

    def health(self) -> Health:
        """What is at hand now; it fetches nothing."""
        keys, feed = self._sources.keys.cached, self._sources.feed
        age = None if keys.fetched_at == NEVER else self.clock.monotonic() - keys.fetched_at
        return Health(keys.value is not None, age, keys.error, None if feed is None else feed.is_live)

    @contextlib.contextmanager
    def _fetched_for(self, token: str) -> "Iterator[Identity | Future[None]]":
        """The identity, or the end of the fetch that has to be waited for in here."""
        self._background.start()
        found = self._judge.judge(token)
        if isinstance(found, Identity):
            yield found
            return
        if not self._waiting.acquire(blocking=False):
            raise Unavailable(1)
        try:
            yield self._background.submit(self._patiently(found))
        except TimeoutError:
            raise Unavailable(1) from None
        finally:
            self._waiting.release()

    async def _patiently(self, need: Need) -> None:
        try:
            async with self.clock.timeout(self.options.patience):
                await need.obtain()
        except asyncio.CancelledError:
            # The verifier is being closed, or the request is: no one else may wait for ever.
            raise Unavailable(1) from None

    def _renew(self) -> None:
        self._sources = Sources(self.options, self.clock, self._changed)
        self._judge = Judge(self.options, self._sources, self.clock)

    def _begin(self) -> None:
        self._sources.begin()

    async def _end(self) -> None:
        await self._sources.end()

    def _changed(self) -> None:
        for changed in tuple(self._subscribers):
            changed()
