"""The jobs that a running service repeats on its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from app.domain.refusals import Refused, Unavailable

# A replica has to learn within five seconds what another one could not announce.
MAINTAIN_EVERY = 3.0
PURGE_EVERY = 600.0
RETRY_EVERY = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is repeated: ``run`` returns False when it should be tried again soon.

    The log calls it by its ``name``.
    ``before_serving`` jobs run once before the first request is served.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    every: float
    before_serving: bool = False


@asynccontextmanager
async def maintained(jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Repeat the jobs until the end. A job that fails is tried again after ``RETRY_EVERY`` seconds."""
    async with asyncio.TaskGroup() as group:
        repeated = [_Repeated(job) for job in jobs]
        tasks = [
            group.create_task(each.forever(done=each.job.before_serving and await each.is_done()))
            for each in repeated
        ]
        try:
            yield
        finally:
            for each, task in zip(repeated, tasks, strict=True):
                # Python 3.11 loses a cancellation now and then, when the cancelled wait ends at that moment.
                each.is_over = True
                task.cancel()


class _Repeated:
    """A job, and why its last attempt failed, which is logged once."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.is_over = False
        self._failure: str | None = None

    async def forever(self, *, done: bool) -> None:
        while not self.is_over:
            await asyncio.sleep(self.job.every if done else RETRY_EVERY)
            done = await self.is_done()

    async def is_done(self) -> bool:
        try:
            done = await self.job.run() is not False
        except Refused as refused:
            reason = refused.reason if isinstance(refused, Unavailable) else refused.refusal.value
            if self._is_news(reason):
                _log.warning("job.postponed", job=self.job.name, reason=reason)
            return False
        except Exception as error:  # noqa: BLE001 - a job must outlive every failure
            if self._is_news(repr(error)):
                _log.exception("job.failed", job=self.job.name)
            return False
        self._failure = None
        return done

    def _is_news(self, failure: str) -> bool:
        before, self._failure = self._failure, failure
        return failure != before
