"""Failures, counted in Redis for all replicas, or in this process while Redis does not answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import structlog

from app.domain.clock import Clock
from app.domain.throttling import Budget, Limit, Rule, TooManyRequests
from app.storage.outages import ReadAgain, words
from app.storage.redis.client import open_client, prefix
from app.storage.redis.errors import FAILURES, RedisRefusal
from app.storage.redis.windows import Count, LocalWindows, SharedWindows, whole_seconds

TIMEOUT = 5.0
"""Seconds that connecting may take, or a reply: to give up on a busy machine would let more through."""
LONGEST = 15.0
"""Seconds that an attempt may take with everything that the client has to find out for it."""
ASK_AGAIN_AFTER = timedelta(seconds=5)
"""When a Redis that did not answer is asked once more."""
REMEMBERED = timedelta(seconds=1)
"""How long a budget that was found used up is refused without asking Redis."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""When a budget that was not tried again is news once more; there may be many of them."""
_SLOTS = 4
_T = TypeVar("_T")
_log = structlog.get_logger()


class _Closed(NamedTuple):
    """A budget that was found used up, since when and until when."""

    seen_at: datetime
    opens_at: datetime
    limit: Limit


class FailureCounters:
    """Counts failures in moving windows, in Redis for all replicas or else in this process."""

    def __init__(self, url: str, issuer: str, clock: Clock, read_again: ReadAgain = lambda: None) -> None:
        """Take the server's URL, ValueError when it is none, and the issuer, which tells deployments apart.

        Nothing is sent before the first use.
        """
        self._clock = clock
        self._client = open_client(url, TIMEOUT, LONGEST, read_again)
        self._shared, self._local = SharedWindows(self._client, prefix(issuer)), LocalWindows(clock)
        # Callers queue here, so that a burst of them becomes none of connections and of time-outs.
        self._slots = asyncio.Semaphore(_SLOTS)
        self._ask_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._closed: dict[Budget, _Closed] = {}

    @property
    def is_shared(self) -> bool:
        """Whether all replicas count together, as far as this process knows."""
        return self._failed_at is None

    async def charge(self, budgets: Sequence[Budget]) -> None:
        """Charge every budget with one failure, or none: TooManyRequests names the one that refuses."""
        self.require_open(budgets)
        counts = _counts(budgets)
        used_up = await self._ask(lambda counter: counter.charge(counts))
        if used_up is not None:
            raise self._close(*counts[used_up.place], used_up.opens_in)

    def require_open(self, budgets: Sequence[Budget]) -> None:
        """Refuse with TooManyRequests when a budget was found used up a moment ago, without asking Redis."""
        if not self._closed:
            return
        now = self._clock()
        for budget in budgets:
            # What a budget does not refuse to every attempt depends on what Redis has counted besides.
            closed = self._closed.get(budget) if budget.refuses is Rule.EVERY else None
            if closed is not None and now < min(closed.opens_at, closed.seen_at + REMEMBERED):
                opens_in = whole_seconds(closed.opens_at - now)
                raise TooManyRequests(budget, closed.limit, opens_in, is_news=False)

    async def settle(self, refund: Sequence[Budget], forget: Sequence[Budget] = ()) -> None:
        """Refund one charge of the first budgets, and forget all charges of the others."""
        if self._closed:
            for budget in forget:
                self._closed.pop(budget, None)
        to_refund, to_forget = _counts(refund), _counts(forget)

        async def act(counter: SharedWindows | LocalWindows) -> None:
            await counter.settle(to_refund, to_forget)
            if counter is not self._local:
                # A Redis that refuses charges may accept this. The charge was counted here in that case.
                await self._local.settle(to_refund, to_forget)

        await self._ask(act)

    async def close(self) -> None:
        """Close the connections; a server that is slow to confirm it is no failure."""
        with suppress(*FAILURES):
            await self._client.aclose()

    async def _ask(self, act: Callable[[SharedWindows | LocalWindows], Awaitable[_T]]) -> _T:
        """Act on the counts that replicas share; while Redis does not answer, on those of this process."""
        async with self._slots:
            if self._may_ask():
                try:
                    answer = await act(self._shared)
                except RedisRefusal as error:
                    # It answers and refuses to write: a limit that it knows to be used up still is.
                    self._lose(error)
                except FAILURES as error:
                    self._lose(error)
                    self._ask_at = self._clock() + ASK_AGAIN_AFTER
                else:
                    self._find()
                    return answer
            return await act(self._local)

    def _may_ask(self) -> bool:
        if self._ask_at is None:
            return True
        now = self._clock()
        if now < self._ask_at:
            return False
        # One caller finds out whether Redis is back; the others do not wait for that.
        self._ask_at = now + ASK_AGAIN_AFTER
        return True

    def _lose(self, error: Exception) -> None:
        if self._failed_at is None:
            _log.warning("throttling.not_shared", reason=words(error))
        self._failed_at, self._ask_at = self._clock(), None

    def _find(self) -> None:
        self._ask_at = None
        # A Redis that refuses to write may still answer now and then.
        if self._failed_at is not None and self._clock() >= self._failed_at + ASK_AGAIN_AFTER:
            self._failed_at = None
            _log.info("throttling.shared")

    def _close(self, budget: Budget, limit: Limit, opens_in: timedelta) -> TooManyRequests:
        now = self._clock()
        self._closed = {
            one: closed
            for one, closed in self._closed.items()
            if now < min(closed.opens_at, closed.seen_at + FORGOTTEN_AFTER)
        }
        is_news = budget not in self._closed
        self._closed[budget] = _Closed(now, now + opens_in, limit)
        return TooManyRequests(budget, limit, whole_seconds(opens_in), is_news=is_news)


def _counts(budgets: Sequence[Budget]) -> list[Count]:
    return [(budget, limit) for budget in budgets for limit in budget.limits]
