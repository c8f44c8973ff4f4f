"""``Watches``: the connections in this process that wait for the end of their session."""

import asyncio
from collections import defaultdict
from enum import Enum, auto

from app.domain.access_tokens import SessionToken
from app.domain.clock import Clock
from app.domain.refusals import Refusal, Refused
from app.domain.revocations import Kind
from app.features.feed.services.poller import News, Poller

PER_SESSION = 8
"""Connections of one session in one process."""


class Change(Enum):
    """What has become of the access token of a connection."""

    DOUBTFUL = auto()
    """It has to be checked again."""
    SESSION_ENDED = auto()
    EXPIRED = auto()
    POLLER_FAILED = auto()
    """Nothing more would be heard of the session."""


class Watch:
    """A connection: the token that it presented last, and what has become of it."""

    def __init__(self, token: SessionToken) -> None:
        self.token = token
        self.change: Change | None = None
        self.reason: str | None = None
        """Why the session ended."""
        self._changed = asyncio.Event()

    def becomes(self, change: Change, reason: str | None = None) -> None:
        """Note a change. The end of the session is the last one."""
        if self.change is not Change.SESSION_ENDED:
            self.change, self.reason = change, reason
            self._changed.set()

    def settle(self) -> None:
        """Forget a doubt, after the token was found valid."""
        self.change = None
        self._changed.clear()

    async def changed(self) -> None:
        """Return once there is a change."""
        await self._changed.wait()


class Watches:
    """All watched sessions of this process, as an audience of the poller."""

    def __init__(self, poller: Poller, clock: Clock) -> None:
        self.poller = poller
        self._clock = clock
        self._by_session: defaultdict[str, dict[Watch, None]] = defaultdict(dict)
        poller.audiences.append(self)

    @property
    def is_empty(self) -> bool:
        """Whether no session is watched."""
        return not self._by_session

    async def enter(self, token: SessionToken) -> Watch:
        """Begin to watch; refused as ``too_many_requests`` or ``unavailable``.

        What was revoked before is not told, so the token has to be checked again.
        """
        watch, session_id = Watch(token), str(token.session_id)

        def enter(_: str) -> None:
            if len(self._by_session.get(session_id, ())) >= PER_SESSION:
                raise Refused(Refusal.TOO_MANY_REQUESTS)
            self._by_session[session_id][watch] = None

        try:
            await self.poller.admit(enter)
        except Refused:
            self.poller.wake()
            raise
        return watch

    def leave(self, watch: Watch) -> None:
        """Watch no more."""
        session_id = str(watch.token.session_id)
        watches = self._by_session.get(session_id, {})
        watches.pop(watch, None)
        if not watches:
            self._by_session.pop(session_id, None)
        if self.is_empty:
            self.poller.wake()

    async def tell(self, news: News) -> None:
        """Note which sessions ended, and which tokens have to be checked again."""
        for entry, revocation in news.revoked.items():
            for watch in self._by_session.get(entry, ()):
                watch.becomes(Change.SESSION_ENDED, revocation.reason)
        kinds = {revocation.kind for revocation in news.revoked.values()}
        # The release before schema 0011 does not say what it revoked.
        is_doubtful = news.is_reset or not kinds.isdisjoint({Kind.KEY, None})
        if is_doubtful or Kind.TOKEN in kinds:
            for watch in self._all():
                if is_doubtful or watch.token.token_id in news.revoked:
                    watch.becomes(Change.DOUBTFUL)

    def passes(self, _: str) -> None:
        """Note which tokens have expired."""
        now = self._clock()
        for watch in self._all():
            if now >= watch.token.expires_at:
                watch.becomes(Change.EXPIRED)

    def end(self) -> None:
        """End every connection, since nothing is told any more."""
        for watch in self._all():
            watch.becomes(Change.POLLER_FAILED)

    def _all(self) -> list[Watch]:
        return [watch for watches in self._by_session.values() for watch in watches]
