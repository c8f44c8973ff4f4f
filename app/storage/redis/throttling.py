"""Failures, counted in Redis for all replicas, or in this process while Redis does not answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple, TypeVar

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.storage.memory import Entry
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError, ResponseError

from app.domain.clock import Clock
from app.domain.throttling import Budget, Limit, TooManyRequests
from app.storage.redis.client import open_client

TIMEOUT = 5.0
"""Seconds that connecting may take, or a reply: to give up on a busy machine would let more through."""
LONGEST = 15.0
"""Seconds for all the replies that a guess needs."""
ASK_AGAIN_AFTER = timedelta(seconds=5)
"""When a Redis that did not answer is asked once more."""
REMEMBERED = timedelta(seconds=1)
"""How long a budget that was found used up is taken for that without asking."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""When a budget that nobody has tried again is news once more; there may be many of them."""
MOST_KEPT = 100_000
"""How many limits a process counts by itself; each takes about half a kilobyte."""
_ASKERS = 4
_FAILURES = (RedisError, OSError, TimeoutError)
# One hash tag, as the blacklist has it.
_PREFIX = "{watchword}:throttling"
_T = TypeVar("_T")
# KEYS: lists of which one entry is given back, as many as ARGV says, and then lists that are forgotten.
_SETTLE = """
for number, key in ipairs(KEYS) do
    if number <= tonumber(ARGV[1]) then redis.call('LPOP', key) else redis.call('DEL', key) end
end
"""

_log = structlog.get_logger()


class _Shared(RedisStorage):
    """The library's storage on a client of ours, whichever kind of Redis that speaks to."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - a server's or a cluster's; the library wants more
        self._client = client
        super().__init__("redis://", implementation="redispy", key_prefix=_PREFIX)

    def configure_bridge(self) -> None:
        assert isinstance(self.bridge, RedispyBridge)  # noqa: S101 - tells mypy what the line above asked for
        self.bridge.storage = self._client
        self.bridge.connection_getter = lambda _: self._client

    async def settle(self, given_back: Sequence[str], forgotten: Sequence[str]) -> None:
        keys = [self.bridge.prefixed_key(key) for key in (*given_back, *forgotten)]
        await self._client.eval(_SETTLE, len(keys), *keys, len(given_back))


class _Local(MemoryStorage):
    """The library's storage in this process, which keeps the budgets that were tried last."""

    async def acquire_entry(
        self,
        key: str,
        limit: int,
        expiry: int,
        amount: int = 1,  # noqa: ARG002 - ours are of one each
    ) -> bool:
        """As the library has it, which looks through everything that is kept each time."""
        entries = self.events.pop(key, [])
        is_free = len(entries) < limit or entries[limit - 1].atime < time.time() - expiry
        self.events[key] = [Entry(expiry), *entries][:limit] if is_free else entries
        if len(self.events) > MOST_KEPT:
            del self.events[next(iter(self.events))]
        return is_free

    async def settle(self, given_back: Sequence[str], forgotten: Sequence[str]) -> None:
        for key in given_back:
            if entries := self.events.get(key):
                entries.pop(0)
        for key in forgotten:
            await self.clear(key)


class _Closed(NamedTuple):
    """A budget that was found used up, since when and until when."""

    seen_at: datetime
    opens_at: datetime
    limit: Limit


class FailureCounters:
    """Counts failures in moving windows; one script in Redis decides about each limit, and no two at once."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Take the server's URL, ValueError when it is none; nothing is sent before the first use."""
        self._clock = clock
        self._client = open_client(url, TIMEOUT)
        self._shared, self._local = _Shared(self._client), _Local()
        # Callers queue here, so that a burst of them becomes none of connections and of time-outs.
        self._askers = asyncio.Semaphore(_ASKERS)
        self._ask_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._closed: dict[Budget, _Closed] = {}

    @property
    def is_shared(self) -> bool:
        """Whether all replicas count together, as far as this process knows."""
        return self._failed_at is None

    async def charge(self, budgets: Sequence[Budget]) -> None:
        """Charge every budget with one failure, or none of them: TooManyRequests names the one used up."""
        self.require_open(budgets)
        refused = await self._ask(lambda storage: _charge(storage, budgets))
        if refused is not None:
            raise self._close(*refused)

    def require_open(self, budgets: Sequence[Budget]) -> None:
        """Refuse with TooManyRequests when one was found used up a moment ago; a flood asks nobody."""
        now = self._clock()
        for budget in budgets:
            closed = self._closed.get(budget)
            if closed is not None and now < min(closed.opens_at, closed.seen_at + REMEMBERED):
                raise TooManyRequests(budget, closed.limit, _seconds(closed.opens_at - now), is_news=False)

    async def settle(self, given_back: Sequence[Budget], forgotten: Sequence[Budget] = ()) -> None:
        """Give one charge of each of these budgets back, and forget all charges of those."""
        for budget in forgotten:
            self._closed.pop(budget, None)
        await self._ask(lambda storage: storage.settle(_keys(given_back), _keys(forgotten)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, act: Callable[[_Shared | _Local], Awaitable[_T]]) -> _T:
        """Act on what all replicas share; while Redis does not answer, on what this process counts itself."""
        async with self._askers:
            if self._may_ask():
                try:
                    async with asyncio.timeout(LONGEST):
                        answer = await act(self._shared)
                except ResponseError as error:
                    # It answers and refuses to write: what it knows to be used up still is.
                    self._lose(error)
                except _FAILURES as error:
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
        # One finds out whether it is back; the others do not wait for that.
        self._ask_at = now + ASK_AGAIN_AFTER
        return True

    def _lose(self, error: Exception) -> None:
        if self._failed_at is None:
            _log.warning("throttling.not_shared", reason=type(error).__name__, instead="each process counts")
        self._failed_at, self._ask_at = self._clock(), None

    def _find(self) -> None:
        self._ask_at = None
        # One that refuses to write may still answer now and then.
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
        return TooManyRequests(budget, limit, _seconds(opens_in), is_news=is_news)


async def _charge(
    storage: _Shared | _Local, budgets: Sequence[Budget]
) -> tuple[Budget, Limit, timedelta] | None:
    """Charge them in turn; at the first limit that is reached everything is given back."""
    limiter, charged = MovingWindowRateLimiter(storage), list[str]()
    for budget in budgets:
        for limit, item in zip(budget.limits, _items(budget), strict=True):
            if not await limiter.hit(item, budget.key):
                if charged:
                    await storage.settle(charged, ())
                window = await limiter.get_window_stats(item, budget.key)
                return budget, limit, timedelta(seconds=window.reset_time - time.time())
            charged.append(item.key_for(budget.key))
    return None


def _seconds(duration: timedelta) -> int:
    return max(1, ceil(duration.total_seconds()))


def _items(budget: Budget) -> list[RateLimitItem]:
    return [
        RateLimitItemPerSecond(limit.amount, int(limit.window.total_seconds()), budget.name)
        for limit in budget.limits
    ]


def _keys(budgets: Sequence[Budget]) -> list[str]:
    return [item.key_for(budget.key) for budget in budgets for item in _items(budget)]
