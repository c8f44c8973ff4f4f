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

    ``before_serving`` jobs run once before the first request is served.
    """

    run: Callable[[], Awaitable[object]]
    every: float
    before_serving: bool = False


@asynccontextmanager
async def maintained(jobs: Sequence[Job]) -> AsyncIterator[None]:
    """Repeat the jobs until the end. A job that fails is tried again after ``RETRY_EVERY`` seconds."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_repeat(job, done=job.before_serving and await _done(job))) for job in jobs
        ]
        yield
        for task in tasks:
            task.cancel()


async def _repeat(job: Job, *, done: bool) -> None:
    while True:
        await asyncio.sleep(job.every if done else RETRY_EVERY)
        done = await _done(job)


async def _done(job: Job) -> bool:
    name = job.run.__qualname__
    try:
        return await job.run() is not False
    except Refused as refused:
        reason = refused.reason if isinstance(refused, Unavailable) else refused.refusal.value
        _log.warning("job.postponed", job=name, reason=reason)
        return False
    except Exception:  # noqa: BLE001 - a job must outlive every failure
        _log.exception("job.failed", job=name)
        return False
