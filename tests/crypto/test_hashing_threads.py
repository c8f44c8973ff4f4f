"""Password hashing in threads: how many at once, their priority, and callers that leave."""

import asyncio
import sys

import pytest

from app.crypto.passwords import NICENESS, PasswordHasher
from tests.support.hashes import PASSWORD, argon2_hash
from tests.support.hashing import CURRENT, NO, Executor, Gate, niceness, start


async def test_one_thread_computes_one_hash_at_a_time(hasher: PasswordHasher, gate: Gate) -> None:
    running = start(hasher.verify(PASSWORD, None))
    await gate.wait()
    waiting = [start(hasher.verify(PASSWORD, None)) for _ in range(5)]
    await asyncio.sleep(0)
    assert not running.done()
    assert gate.calls == 1
    gate.opened.set()
    assert await asyncio.gather(running, *waiting) == [NO] * 6


@pytest.mark.requirement("P4")
async def test_the_event_loop_runs_while_a_hash_is_computed(hasher: PasswordHasher, gate: Gate) -> None:
    running = start(hasher.verify(PASSWORD, argon2_hash()))
    await gate.wait()
    turns = [await asyncio.sleep(0, turn) for turn in range(1000)]
    assert len(turns) == 1000
    assert not running.done()
    gate.opened.set()
    assert await running == CURRENT


async def test_hashing_threads_have_a_lower_priority_than_the_event_loop(
    hasher: PasswordHasher, counted: Gate
) -> None:
    before = niceness()
    await hasher.verify(PASSWORD, None)
    assert counted.niceness == [min(19, before + (NICENESS if sys.platform == "linux" else 0))]
    assert niceness() == before


async def test_a_caller_that_leaves_the_queue_leaves_no_work_behind(
    hasher: PasswordHasher, gate: Gate, executor: Executor
) -> None:
    running = start(hasher.verify(PASSWORD, None))
    await gate.wait()
    for _ in range(100):
        waiting = start(hasher.verify(PASSWORD, None))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert executor.jobs == 1
    last = start(hasher.verify(PASSWORD, None))
    gate.opened.set()
    assert [await running, await last] == [NO, NO]
    assert gate.calls == 2, "nothing was hashed for the callers that left"


async def test_a_hash_keeps_its_thread_when_its_caller_leaves(
    hasher: PasswordHasher, gate: Gate, executor: Executor
) -> None:
    running = start(hasher.verify(PASSWORD, None))
    await gate.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    waiting = start(hasher.verify(PASSWORD, None))
    await asyncio.sleep(0)
    assert gate.calls == 1
    assert executor.jobs == 1
    gate.opened.set()
    assert await waiting == NO
    assert await hasher.verify(PASSWORD, None) == NO


async def test_closing_finishes_the_running_hash_and_refuses_waiting_callers(
    hasher: PasswordHasher, gate: Gate
) -> None:
    running = start(hasher.verify(PASSWORD, argon2_hash()))
    await gate.wait()
    waiting = start(hasher.verify(PASSWORD, None))
    await asyncio.sleep(0)
    hasher.close()
    gate.opened.set()
    assert await running == CURRENT
    for refused in (waiting, hasher.hash(PASSWORD), hasher.hash(PASSWORD), hasher.hash(PASSWORD)):
        with pytest.raises(RuntimeError, match="shutdown"):
            await refused


def test_a_hash_may_finish_after_its_event_loop_is_closed(
    hasher: PasswordHasher, gate: Gate, executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        running = start(hasher.verify(PASSWORD, None))
        await gate.wait()
        running.cancel()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gate.opened.set()
    executor.shutdown(wait=True)
    assert caplog.records == []
