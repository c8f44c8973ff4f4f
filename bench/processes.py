"""Processes on cores of their own, and their CPU time to the nanosecond. Linux only."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.dev.processes import end
from tests.support.servers import process_environment

ROOT = Path(__file__).parents[1]


def all_cores() -> set[int]:
    """Return the cores that this process could use when it started."""
    return set(_ALL)


def server_core() -> set[int]:
    """Return the core of the server that is measured."""
    return {min(_ALL)}


def other_cores() -> set[int]:
    """Return the cores of the clients, Postgres and Redis: all but the server's, where there are more."""
    return set(_ALL) - server_core() or set(_ALL)


_ALL = frozenset(os.sched_getaffinity(0))


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Run this thread, and all that it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str], cores: set[int], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command on these cores, with its output in a file; the end of the context stops it."""
    with pinned(cores), log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - programs of ours
            command,
            cwd=ROOT,
            env=process_environment(environment) | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def descendants(pid: int) -> list[int]:
    """Return a process and all processes below it."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found


def command_line(pid: int) -> str:
    """Return how a process names itself; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def cpu_nanoseconds(pids: Sequence[int]) -> int:
    """Return the user and system time of all threads of these processes that have not ended."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            # The clock of a process, by its number, as clock_getcpuclockid(3) makes it.
            total += time.clock_gettime_ns((~pid << 3) | 2)
    return total
