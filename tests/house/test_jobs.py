"""The jobs of a running service outlive every failure."""

import asyncio
from contextlib import suppress

import pytest
import structlog

import app.wiring.jobs
from app.domain.refusals import Refusal, Refused
from app.wiring.jobs import PURGE_EVERY, Job, maintained
from tests.support.processes import PATIENCE
from tests.support.races import inside


class Troubled:
    """Work that meets an outage, then an error of its own, each for a while, and then succeeds."""

    def __init__(self) -> None:
        self.works = asyncio.Event()
        self._troubles: list[Exception] = [
            *[Refused(Refusal.UNAVAILABLE)] * 3,
            *[ZeroDivisionError()] * 3,
        ]

    async def __call__(self) -> int:
        if self._troubles:
            raise self._troubles.pop(0)
        self.works.set()
        return 0


async def test_a_job_that_fails_is_tried_again_and_logged_once_for_each_cause(
    migrated: object, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.wiring.jobs, "RETRY_EVERY", 0.01)
    troubled = Troubled()
    with structlog.testing.capture_logs() as logs:
        async with inside(environment) as service:
            jobs = (*service.jobs, Job("troubled", troubled.__call__, PURGE_EVERY))
            async with maintained(jobs):
                await troubled.works.wait()
                assert (await service.use_cases.readiness()).is_ready
    logged = [(line["event"], line["job"]) for line in logs if line["event"].startswith("job.")]
    assert logged == [("job.postponed", "troubled"), ("job.failed", "troubled")]


async def test_a_job_whose_cancellation_is_lost_keeps_the_service_from_ending_only_until_it_is_done() -> None:
    began = asyncio.Event()

    async def deaf() -> None:
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE), maintained([Job("deaf", deaf, every=0)]):
        await began.wait()
