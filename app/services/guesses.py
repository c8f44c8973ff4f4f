"""Guesses at a secret: the slot, the charge, the refund and the events that surround every guess."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.crypto.passwords import Decoy, PasswordCheck, PasswordHasher
from app.domain.events import Event, Reason
from app.domain.refusals import Refusal, Refused
from app.domain.throttling import TooManyRequests
from app.services.slots import Slots
from app.services.throttling import Attempt, Throttle, Way
from app.storage.postgres.events import EventStore


def mismatch(check: PasswordCheck) -> Reason:
    """Why a password did not match."""
    return Reason.WRONG_PASSWORD if check.understood else Reason.UNKNOWN_HASH


class Guess:
    """A guess in progress: it holds a slot for hashing and is charged in advance, as if it had failed.

    ``is_decided`` is true once the guess has revealed whether the secret was right. Until then, a refusal
    refunds the charge.
    """

    def __init__(self, hasher: PasswordHasher, events: EventStore) -> None:
        self._hasher = hasher
        self._events = events
        self.is_decided = False

    async def verify(self, password: str, stored: str | None, decoy: Decoy | None = None) -> PasswordCheck:
        """Compare a password with a stored hash; None stands for an account that does not exist."""
        check = await self._hasher.verify(password, stored, decoy)
        self.is_decided = True
        return check

    async def hash(self, password: str) -> str:
        """A new hash, made in the same slot."""
        return await self._hasher.hash(password)

    async def refuse(
        self, failed: Event, reason: Reason, refusal: Refusal = Refusal.INVALID_CREDENTIALS
    ) -> Refused:
        """Record why the guess failed, and return the refusal to raise."""
        await self._events.add(failed.because(reason))
        return Refused(refusal)


@dataclass(frozen=True, slots=True)
class Guesses:
    """Admits guesses at secrets, up to the limits of the account, of the network and in total."""

    hasher: PasswordHasher
    slots: Slots
    throttle: Throttle
    events: EventStore

    @asynccontextmanager
    async def guess(
        self, attempt: Attempt, throttled: Callable[[TooManyRequests], Awaitable[Event]]
    ) -> AsyncIterator[Guess]:
        """Admit one guess; it is charged to the first of the ways that has budget left.

        1. It takes a slot for hashing first; without one, or when its account or its network holds its share
           of them, it raises Overloaded, which charges nothing.
        2. It is charged before the comparison, so parallel guesses count like successive ones. Without budget
           it raises TooManyRequests; when that is news, the event that ``throttled`` makes is recorded.
        3. A refusal before the guess is decided refunds the charge; a later one does not. Otherwise guesses
           would be free while nothing can be written, and the refund would reveal the right one.
        4. When the block ends without an exception, the guess was right and earlier failures are cleared.
        """
        with self.slots.take(attempt.holders):
            way = await self._admitted(attempt, throttled)
            guess = Guess(self.hasher, self.events)
            try:
                yield guess
            except Refused:
                if not guess.is_decided:
                    await self.throttle.refund(way)
                raise
            await self.throttle.clear(way)

    async def _admitted(
        self, attempt: Attempt, throttled: Callable[[TooManyRequests], Awaitable[Event]]
    ) -> Way:
        refusals = []
        for way in await attempt.ways():
            try:
                await self.throttle.charge(way)
            except TooManyRequests as refused:
                refusals.append(refused)
                if refused.is_news:
                    await self.events.add(await throttled(refused))
            else:
                return way
        # The client learns when the first of the ways opens.
        raise min(refusals, key=lambda refused: refused.opens_in)
