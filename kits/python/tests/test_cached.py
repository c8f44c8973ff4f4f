"""A document that is kept fresh: one fetch at a time, and a new one where the last began too early."""

import asyncio

from testing.clock import ManualClock
from watchword_verifier.cached import Cached, Loaded


class Source:
    """What is fetched: a number that grows, each time when the test allows it."""

    def __init__(self, clock: ManualClock) -> None:
        self.begun = 0
        self.allowed = asyncio.Semaphore(0)
        self.cached: Cached[int] = Cached("the number", clock, self._load)

    async def _load(self) -> Loaded[int]:
        self.begun += 1
        number = self.begun
        await self.allowed.acquire()
        return Loaded(number, 300)

    async def has_begun(self, times: int) -> None:
        while self.begun < times:  # noqa: ASYNC110 - the tasks of this loop have to run
            await asyncio.sleep(0)
        assert self.begun == times


async def test_waiters_share_a_fetch_and_none_of_them_ends_it(clock: ManualClock) -> None:
    source = Source(clock)
    first, second = (asyncio.create_task(source.cached.fetch()) for _ in range(2))
    await source.has_begun(1)
    assert source.cached.is_fetching
    first.cancel()
    source.allowed.release()
    await second

    assert (source.begun, source.cached.value, source.cached.is_fetching) == (1, 1, False)


async def test_a_hurry_during_a_fetch_leads_to_another_that_begins_later(clock: ManualClock) -> None:
    source = Source(clock)
    keeping = asyncio.create_task(source.cached.keep_fresh())
    await source.has_begun(1)
    source.cached.hurry()
    source.allowed.release()
    await source.has_begun(2)
    source.allowed.release()
    await asyncio.sleep(0)

    # The same when the fetch is one that a request asked for while nothing was due.
    asked = asyncio.create_task(source.cached.fetch())
    await source.has_begun(3)
    source.cached.hurry()
    await asyncio.sleep(0)
    source.allowed.release()
    await asked
    await source.has_begun(4)
    keeping.cancel()
    await source.cached.close()
