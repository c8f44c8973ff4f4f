"""Writes lines in a thread of its own, so a log that cannot be written delays and fails nothing."""

import os
import select
import stat
import threading
from collections.abc import Callable, Iterator
from itertools import accumulate
from queue import Empty, SimpleQueue
from time import sleep

MOST_QUEUED = 1024 * 1024
"""Bytes that may wait for a reader: some thousand lines."""
PAUSE = 0.02
"""Seconds of rest once all lines are written.

To wake the thread for every line costs a request 15 µs, since both then wait for the interpreter.
"""


class LogWriter:
    """Writes lines to a file descriptor, in the order in which they were given.

    A line is dropped and counted when too many wait for the reader, or when the system refuses to write it.
    ``report`` gets the number as soon as a line could be written again. It may write a line itself.
    """

    def __init__(self, descriptor: int, report: Callable[[int], None], room: int = MOST_QUEUED) -> None:
        self._descriptor = descriptor
        self._report = report
        self._room = room
        self._most_at_once = _most_at_once(descriptor)
        # Python may run a destructor that logs at any moment, also within ``write``. Both of these allow it.
        self._lock, self._lines = threading.RLock(), SimpleQueue[bytes | threading.Event]()
        self._queued = self._dropped = 0
        self._is_torn = False
        # A process that is forked while the thread holds the lock could otherwise never write again.
        os.register_at_fork(
            before=self._lock.acquire,
            after_in_parent=self._lock.release,
            after_in_child=self._lock.release,
        )
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def is_failing(self) -> bool:
        """Whether lines were dropped, and none was written since."""
        return self._dropped > 0

    def write(self, line: bytes) -> None:
        """Queue a line, which ends with a newline; it never waits and never fails."""
        with self._lock:
            has_room = self._queued + len(line) <= self._room
            # The report of what was dropped needs no room.
            if not has_room and threading.current_thread() is not self._thread:
                self._dropped += 1
                return
            self._queued += len(line)
        self._lines.put(line)

    def flush(self, seconds: float) -> None:
        """Wait until everything queued was written or dropped, but no longer than this."""
        reached = threading.Event()
        self._lines.put(reached)
        reached.wait(seconds)

    def _run(self) -> None:
        for batch in self._batches():
            data = b"".join(batch)
            written = self._write(data)
            dropped = sum(end > written for end in accumulate(map(len, batch))) if written < len(data) else 0
            with self._lock:
                self._queued -= len(data)
                self._dropped += dropped
                to_report = 0 if dropped else self._dropped
                self._dropped -= to_report
            if to_report:
                self._report(to_report)

    def _batches(self) -> Iterator[list[bytes]]:
        """The lines that wait, as many at a time as several processes can write uncut."""
        batch: list[bytes] = []
        size = 0
        while True:
            try:
                line = self._lines.get(block=not batch)
            except Empty:
                yield batch
                batch, size = [], 0
                sleep(PAUSE)
                continue
            if isinstance(line, threading.Event):
                if batch:
                    yield batch
                    batch, size = [], 0
                line.set()
                continue
            if batch and size + len(line) > self._most_at_once:
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += len(line)

    def _write(self, data: bytes) -> int:
        """Write all of it, however long that takes; returns how many bytes went out before a refusal."""
        # After a refusal in the middle of a line, the next line must not continue that one.
        rest = b"\n" if self._is_torn else b""
        data, written = rest + data, 0
        while written < len(data):
            try:
                written += os.write(self._descriptor, data[written:])
            except BlockingIOError:
                # Another process with the same pipe has made it non-blocking.
                select.select((), (self._descriptor,), ())
            except OSError:
                break
        if written:
            self._is_torn = data[written - 1 : written] != b"\n"
        return max(0, written - len(rest))


def _most_at_once(descriptor: int) -> int:
    """Bytes that the system writes in one piece, also where several processes write to the same place."""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        is_file = False
    return MOST_QUEUED if is_file else select.PIPE_BUF
