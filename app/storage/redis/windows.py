"""Moving windows of failures: in Redis for all replicas, or by the same rules in one process."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple, TypeAlias

from app.domain.clock import Clock
from app.domain.throttling import Budget, Limit
from app.storage.redis.client import Client

MOST_KEPT = 100_000
"""How many limits a process counts by itself; a limit with one failure takes a quarter of a kilobyte."""
Count: TypeAlias = tuple[Budget, Limit]
"""One limit of one budget: it has a list of the times of its failures."""

# KEYS: a list of times for each limit, the newest first. ARGV: the amount and the seconds of each limit.
# If a limit is used up, nothing is charged; the answer is its place, and in how many milliseconds it opens.
# Redis's clock is used, since those of the replicas differ. Reads come before writes, so that a Redis that
# refuses to write still answers for a limit that is used up.
_CHARGE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for number, key in ipairs(KEYS) do
    local oldest = redis.call('LINDEX', key, ARGV[2 * number - 1] - 1)
    local opens_in = oldest and oldest + ARGV[2 * number] - now
    if opens_in and opens_in >= 0 then return {number, math.ceil(opens_in * 1000)} end
end
for number, key in ipairs(KEYS) do
    redis.call('LPUSH', key, string.format('%d.%06d', time[1], time[2]))
    redis.call('LTRIM', key, 0, ARGV[2 * number - 1] - 1)
    redis.call('EXPIRE', key, ARGV[2 * number])
end
"""
# KEYS: as many lists as ARGV says whose newest entry is removed, and then lists that are deleted.
_SETTLE = """
for number, key in ipairs(KEYS) do
    if number <= tonumber(ARGV[1]) then redis.call('LPOP', key) else redis.call('DEL', key) end
end
"""


class UsedUp(NamedTuple):
    """The limit that refused a charge, by its place among those asked for."""

    place: int
    opens_in: timedelta


class SharedWindows:
    """Counts in Redis; each method is one script, so that attempts in parallel are decided in a row."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def charge(self, counts: Sequence[Count]) -> UsedUp | None:
        """Charge every limit, or none of them and return the first one that is used up."""
        keys = [_key(count) for count in counts]
        arguments = [number for _, limit in counts for number in (limit.amount, whole_seconds(limit.window))]
        answer: list[int] | None = await self._client.eval(_CHARGE, len(keys), *keys, *arguments)
        return None if answer is None else UsedUp(answer[0] - 1, timedelta(milliseconds=answer[1]))

    async def settle(self, refund: Sequence[Count], forget: Sequence[Count]) -> None:
        """Take one charge back from the first limits, and delete all charges of the others."""
        keys = [_key(count) for count in (*refund, *forget)]
        await self._client.eval(_SETTLE, len(keys), *keys, len(refund))


class LocalWindows:
    """Counts in this process by the same rules, and keeps the limits that were tried last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[Count, list[datetime]] = {}

    async def charge(self, counts: Sequence[Count]) -> UsedUp | None:
        """Charge every limit, or none of them and return the first one that is used up."""
        now = self._clock()
        for place, count in enumerate(counts):
            limit, times = count[1], self._times.get(count, [])
            if len(times) == limit.amount and (opens_in := times[0] + limit.window - now) >= timedelta():
                self._touch(count)
                return UsedUp(place, opens_in)
        for count in counts:
            times = self._touch(count)
            times.append(now)
            del times[: -count[1].amount]
        while len(self._times) > MOST_KEPT:
            del self._times[next(iter(self._times))]
        return None

    async def settle(self, refund: Sequence[Count], forget: Sequence[Count]) -> None:
        """Take one charge back from the first limits, and delete all charges of the others."""
        for count in refund:
            if times := self._times.get(count):
                times.pop()
        for count in forget:
            self._times.pop(count, None)

    def _touch(self, count: Count) -> list[datetime]:
        """Return the limit's times, oldest first, and move them to the end of what is kept."""
        times = self._times[count] = self._times.pop(count, [])
        return times


def _key(count: Count) -> str:
    """The key in Redis, with one hash tag for all; releases that run beside this one must make the same."""
    budget, limit = count
    name = f"{budget.name}/{budget.key}/{limit.amount}/{whole_seconds(limit.window)}/second"
    return f"{{watchword}}:throttling:{name}"


def whole_seconds(duration: timedelta) -> int:
    """The duration in whole seconds, rounded up, and one at least."""
    return max(1, ceil(duration.total_seconds()))
