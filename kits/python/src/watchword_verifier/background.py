"""A thread with an event loop of its own, in which everything is fetched.

So a fetch blocks no event loop of the application, and the same verifier serves coroutines and threads.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Background:
    """The thread, started when it is first needed, and again in a forked process."""

    def __init__(
        self,
        begin: Callable[[], None],
        end: Callable[[], Coroutine[Any, Any, None]],
        renew: Callable[[], None],
    ) -> None:
        """``begin`` is called in the loop when it starts, and ``end`` is awaited there before it stops.

        ``renew`` is called afterwards, and in a forked process: what belongs to that loop must be made anew.
        """
        self._begin = begin
        self._end = end
        self._renew = renew
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        _ALL.add(self)

    def start(self) -> asyncio.AbstractEventLoop:
        """The running loop. It does not wait for anything that is fetched."""
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                loop.call_soon(self._begin)
                thread = threading.Thread(target=_run, args=(loop,), name="watchword-verifier", daemon=True)
                thread.start()
                self._loop, self._thread = loop, thread
            return self._loop

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine in the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.start())

    def close(self) -> None:
        """End all work and wait for the thread. The next use starts a new one."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._renew()

    def forget(self) -> None:
        """In a forked process: the thread is not there, and its lock may be held for ever."""
        self._lock = threading.Lock()
        self._loop = self._thread = None
        self._renew()

    async def _stop(self) -> None:
        await self._end()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


_ALL: WeakSet[Background] = WeakSet()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _forget_all() -> None:
    for background in list(_ALL):
        background.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
