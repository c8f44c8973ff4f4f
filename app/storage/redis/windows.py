"""Moving windows of failures: in Redis for all replicas, or by the same rules in one process."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import NamedTuple, TypeAlias

from app.domain.clock import Clock
from app.domain.throttling import Budget, Limit, Rule
from app.storage.redis.client import Client

MOST_KEPT = 100_000
"""How many limits a process counts by itself; a limit with one failure takes a quarter of a kilobyte."""
Count: TypeAlias = tuple[Budget, Limit]
"""One limit of one budget: it has a list of the times of its failures."""

# KEYS: a list of times for each limit, the newest first. ARGV, for each: its amount, its seconds, which
# attempts it refuses, and from how many failures on it says that a network is not quiet (0: it says nothing).
# If a limit is used up, nothing is charged; the answer is its place, and in how many milliseconds it opens.
# Redis's clock is used, since those of the replicas differ. Reads come before writes, so that a Redis that
# refuses to write still answers for a limit that is used up. A list keeps all that is in its window: a charge
# that is refunded later must not push out another one.
_CHARGE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local function opens_in(number, amount)
    local oldest = redis.call('LINDEX', KEYS[number], amount - 1)
    local left = oldest and oldest + ARGV[4 * number - 2] - now
    return left and left >= 0 and left
end
local is_quiet = true
for number = 1, #KEYS do
    local quiet = tonumber(ARGV[4 * number])
    if quiet > 0 and opens_in(number, quiet) then is_quiet = false end
end
for number = 1, #KEYS do
    local refuses = ARGV[4 * number - 1]
    if refuses == 'every' or refuses == 'noisy' and not is_quiet then
        local left = opens_in(number, ARGV[4 * number - 3])
        if left then return {number, math.ceil(left * 1000)} end
    end
end
local failed_at = string.format('%d.%06d', time[1], time[2])
for number, key in ipairs(KEYS) do
    local length = redis.call('LPUSH', key, failed_at)
    while length > 1 and redis.call('LINDEX', key, -1) + ARGV[4 * number - 2] < now do
        redis.call('LTRIM', key, 0, -2)
        length = length - 1
    end
    redis.call('EXPIRE', key, ARGV[4 * number - 2])
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

    def __init__(self, client: Client, prefix: str) -> None:
        """Take what the names of all keys begin with."""
        self._client = client
        self._prefix = f"{prefix}throttling:"

    async def charge(self, counts: Sequence[Count]) -> UsedUp | None:
        """Charge every limit, or none of them and return the first one that refuses."""
        keys = self._keys(counts)
        arguments = [
            argument
            for budget, limit in counts
            for argument in (
                *(limit.amount, whole_seconds(limit.window)),
                *(budget.refuses.value, _quiet(budget, limit)),
            )
        ]
        answer: list[int] | None = await self._client.eval(_CHARGE, len(keys), *keys, *arguments)
        return None if answer is None else UsedUp(answer[0] - 1, timedelta(milliseconds=answer[1]))

    async def settle(self, refund: Sequence[Count], forget: Sequence[Count]) -> None:
        """Take one charge back from the first limits, and delete all charges of the others."""
        keys = self._keys((*refund, *forget))
        await self._client.eval(_SETTLE, len(keys), *keys, len(refund))

    def _keys(self, counts: Sequence[Count]) -> list[str]:
        """The names in Redis; replicas of two releases count together where both make the same."""
        return [
            f"{self._prefix}{budget.name}/{budget.key}/{limit.amount}/{whole_seconds(limit.window)}/second"
            for budget, limit in counts
        ]


class LocalWindows:
    """Counts in this process by the same rules, and keeps the limits that were tried last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[Count, list[datetime]] = {}

    async def charge(self, counts: Sequence[Count]) -> UsedUp | None:
        """Charge every limit, or none of them and return the first one that refuses."""
        now = self._clock()
        is_quiet = not any(
            (quiet := _quiet(*count)) and self._opens_in(count, quiet, now) is not None for count in counts
        )
        for place, count in enumerate(counts):
            refuses = count[0].refuses
            if refuses is Rule.NONE or (refuses is Rule.NOISY and is_quiet):
                continue
            opens_in = self._opens_in(count, count[1].amount, now)
            if opens_in is not None:
                self._touch(count)
                return UsedUp(place, opens_in)
        for count in counts:
            times = self._touch(count)
            times.append(now)
            while times[0] + count[1].window < now:
                del times[0]
        while len(self._times) > MOST_KEPT:
            del self._times[next(iter(self._times))]
        return None

    async def settle(self, refund: Sequence[Count], forget: Sequence[Count]) -> None:
        """Take one charge back from the first limits, and delete all charges of the others."""
        if not self._times:
            return
        for count in refund:
            if times := self._times.get(count):
                times.pop()
        for count in forget:
            self._times.pop(count, None)

    def _opens_in(self, count: Count, amount: int, now: datetime) -> timedelta | None:
        """When the window holds fewer failures than this; None when it does so already."""
        times = self._times.get(count, [])
        left = times[-amount] + count[1].window - now if len(times) >= amount else timedelta(-1)
        return left if left >= timedelta() else None

    def _touch(self, count: Count) -> list[datetime]:
        """Return the limit's times, oldest first, and move them to the end of what is kept."""
        times = self._times[count] = self._times.pop(count, [])
        return times


def _quiet(budget: Budget, limit: Limit) -> int:
    """From how many failures on this limit says that a network is not quiet; 0 when it says nothing."""
    return limit.quiet if budget.is_network and limit == budget.limits[-1] else 0


def whole_seconds(duration: timedelta) -> int:
    """The duration in whole seconds, rounded up, and one at least."""
    return max(1, ceil(duration.total_seconds()))
