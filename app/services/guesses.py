"""Guesses at a secret: everything that surrounds one, in one place."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from app.crypto.passwords import PasswordCheck, PasswordHasher
from app.domain.clock import Clock
from app.domain.events import Event, Reason
from app.domain.refusals import Refusal, Refused
from app.domain.throttling import TooManyRequests
from app.services.throttling import Throttle, Way
from app.storage.postgres.events import EventStore


class Guess:
    """A guess under way: it holds a slot for hashing and is charged in advance, as if it had failed.

    ``is_decided`` says whether anything was learned about the secret. Until it is,
    a refusal refunds the charge. ``at`` is when the guess was admitted.
    """

    def __init__(self, hasher: PasswordHasher, events: EventStore, at: datetime) -> None:
        self._hasher = hasher
        self._events = events
        self.at = at
        self.is_decided = False

    async def verify(self, password: str, stored: str | None) -> PasswordCheck:
        """Compare a password with a stored hash; None stands for an account that does not exist."""
        check = await self._hasher.verify(password, stored)
        self.is_decided = True
        return check

    async def hash(self, password: str) -> str:
        """A new hash, made in the same slot."""
        return await self._hasher.hash(password)

    async def refuse(
        self, failed: Event, reason: Reason, refusal: Refusal = Refusal.INVALID_CREDENTIALS
    ) -> Refused:
        """Record why the guess failed, and answer the refusal to raise."""
        await self._events.add(failed.because(reason))
        return Refused(refusal)


@dataclass(frozen=True, slots=True)
class Guesses:
    """Lets guesses at secrets through, so many of an account, from a network and from everywhere."""

    hasher: PasswordHasher
    throttle: Throttle
    events: EventStore
    clock: Clock

    @asynccontextmanager
    async def guess(
        self, ways: Iterable[Way], throttled: Callable[[TooManyRequests], Awaitable[Event]]
    ) -> AsyncIterator[Guess]:
        """One guess; the first of the ways that has budget left is charged.

        1. It takes a slot for hashing before anything else (Overloaded, which charges nothing).
        2. It is charged before the comparison, so that parallel guesses count like successive ones; else
           TooManyRequests, whose event ``throttled`` makes when it is news.
        3. A refusal before it is decided refunds the charge; a later one does not. While nothing can be
           written, guesses would be free otherwise, and the right one would show.
        4. When the block ends without an exception the guess was right: earlier failures are cleared.
        """
        with self.hasher.place():
            way = await self._admitted(ways, throttled)
            guess = Guess(self.hasher, self.events, self.clock())
            try:
                yield guess
            except Refused:
                if not guess.is_decided:
                    await self.throttle.refund(way)
                raise
            await self.throttle.clear(way)

    async def _admitted(
        self, ways: Iterable[Way], throttled: Callable[[TooManyRequests], Awaitable[Event]]
    ) -> Way:
        refusals = []
        for way in ways:
            try:
                await self.throttle.charge(way)
            except TooManyRequests as refused:
                refusals.append(refused)
                if refused.is_news:
                    await self.events.add(await throttled(refused))
            else:
                return way
        # The client is told of the way that opens first.
        raise min(refusals, key=lambda refused: refused.opens_in)
