"""``Listeners``: the connections to the feed in this process, and what each of them still has to be sent."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from app.domain.clock import Clock
from app.domain.refusals import Refusal, Refused
from app.features.feed.domain import (
    COMMENT_EVERY,
    RESET,
    Message,
    comment,
    event_id,
    events,
    messages,
)
from app.features.feed.services.poller import News, Poller

PER_PIECE = 64
"""Events that are sent in one piece, which takes some 16 KB."""
MOST_WAITING = 128
"""Pieces that may wait for a listener. A slower one is disconnected, and resumes."""
AT_ONCE = 16
"""Listeners that are woken in one turn of the event loop, so that requests wait for few of them."""
_RETRY_AFTER = 10


@dataclass(frozen=True, slots=True)
class Room:
    """How many listeners one process has: of one client, and in all."""

    per_client: int = 250
    in_all: int = 1000


class Piece(NamedTuple):
    """A part of the stream. With a comment, the access token of the listener is checked again."""

    text: bytes
    is_comment: bool = False


class Listener:
    """A connection to the feed: what waits to be sent, and whether it has to end."""

    def __init__(self, client: str, position: str, comment_at: datetime) -> None:
        self.client = client
        self.position = position
        """Everything after it is passed on."""
        self.comment_at = comment_at
        self.is_over = False
        self._waiting: deque[Piece] = deque()
        self._changed = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many pieces wait."""
        return len(self._waiting)

    def put(self, piece: Piece) -> None:
        """Let a piece wait; the listener ends when too many of them do."""
        if len(self._waiting) >= MOST_WAITING:
            self.end()
        elif not self.is_over:
            self._waiting.append(piece)
            self._changed.set()

    def end(self) -> None:
        """Drop what waits, and send no more."""
        self.is_over = True
        self._waiting.clear()
        self._changed.set()

    async def next(self) -> Piece | None:
        """The next piece, or None at the end."""
        while not self._waiting and not self.is_over:
            self._changed.clear()
            await self._changed.wait()
        return None if self.is_over else self._waiting.popleft()


class Listeners:
    """All listeners of this process, as an audience of the poller."""

    def __init__(self, poller: Poller, issuer: str | None, clock: Clock, room: Room) -> None:
        """``issuer`` is None where there are no status lists."""
        self.poller = poller
        self._issuer = issuer
        self._clock = clock
        self._room = room
        self.all: dict[Listener, None] = {}
        """In the order in which they came."""
        self._by_client: Counter[str] = Counter()
        poller.audiences.append(self)

    @property
    def is_empty(self) -> bool:
        """Whether none listens."""
        return not self.all

    async def enter(self, client: str) -> Listener:
        """Begin to listen; refused as ``too_many_requests``, ``overloaded`` or ``unavailable``."""
        if self._by_client[client] >= self._room.per_client:
            raise Refused(Refusal.TOO_MANY_REQUESTS, retry_after=_RETRY_AFTER)
        if self._by_client.total() >= self._room.in_all:
            raise Refused(Refusal.OVERLOADED, retry_after=_RETRY_AFTER)
        entered: list[Listener] = []

        def enter(position: str) -> None:
            listener = Listener(client, position, self._clock() + COMMENT_EVERY)
            self.all[listener] = None
            entered.append(listener)

        self._by_client[client] += 1
        try:
            await self.poller.admit(enter)
        except BaseException:
            self._release(client)
            raise
        return entered[0]

    def leave(self, listener: Listener) -> None:
        """End a listener, whose place is free again."""
        listener.end()
        if listener in self.all:
            del self.all[listener]
            self._release(listener.client)
            if self.is_empty:
                self.poller.wake()

    async def tell(self, news: News) -> None:
        """Let the events wait for every listener."""
        told = [Message(RESET, {})] if news.is_reset else list(messages(news.revoked, self._issuer))
        for piece in self.pieces(told, news.position):
            for number, listener in enumerate(tuple(self.all), 1):
                listener.put(piece)
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)

    def pieces(self, told: Sequence[Message], position: str | None) -> Iterator[Piece]:
        """The events in pieces, with the id of this position at the last event, if there is one."""
        id_ = None if position is None else self.event_id(position)
        for start in range(0, len(told), PER_PIECE):
            part = islice(told, start, start + PER_PIECE)
            is_last = start + PER_PIECE >= len(told)
            yield Piece(events(part, id_ if is_last else None).encode())

    def event_id(self, position: str) -> str:
        """The id of a position that was reached now."""
        return event_id(position, self._clock())

    def passes(self, position: str) -> None:
        """Let a comment wait for each listener that is due one."""
        now = self._clock()
        due = [listener for listener in self.all if now >= listener.comment_at]
        piece = Piece(comment(self.event_id(position)).encode(), is_comment=True)
        for listener in due:
            listener.comment_at = now + COMMENT_EVERY
            listener.put(piece)

    def end(self) -> None:
        """End every listener."""
        for listener in self.all:
            listener.end()

    def _release(self, client: str) -> None:
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]
