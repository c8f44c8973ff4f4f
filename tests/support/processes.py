"""Processes of `python -m app` that are forked from one which has loaded the program already.

Loading takes most of a second of a core, and the suite starts the program hundreds of times. What is forked
is a process like any other: its own environment, streams, session, signals and exit status.
"""

import atexit
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn
from unittest.mock import patch

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
_LOADED = (
    "app.cli.migrate",
    "app.cli.serve",
    "app.cli.work",
    "app.main",
    "app.server.protocol",
    "app.storage.postgres.migrations",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
)
PATIENCE = 180.0
"""Seconds after which a wait counts as a hang; a busy machine stays far below."""
_DESCRIPTORS = 5
_NUMBER = 4


class Process:
    """A command of ours that runs; it is asked as a `subprocess.Popen` is."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str],
        stdin: IO[Any],
        stdout: IO[Any],
        stderr: IO[Any],
    ) -> None:
        self.args = ["python", "-m", "app", *arguments]
        self.returncode: int | None = None
        self._report, report = os.pipe()
        streams = [stream.fileno() for stream in (stdin, stdout, stderr)]
        try:
            with tempfile.TemporaryFile("w+") as request:
                json.dump([arguments, dict(environment)], request)
                request.flush()
                socket.send_fds(_server(), [b"+"], [request.fileno(), report, *streams])
        finally:
            os.close(report)
        self.pid = self._told()

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None and self._has_told(0):
            self.returncode = self._told()
            os.close(self._report)
        return self.returncode

    def wait(self, seconds: float | None = None) -> int:
        """The exit status once it has ended; subprocess.TimeoutExpired when it has not by then."""
        if self.returncode is None and not self._has_told(seconds):
            raise subprocess.TimeoutExpired(self.args, seconds or 0)
        status = self.poll()
        assert status is not None
        return status

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def _has_told(self, seconds: float | None) -> bool:
        return bool(select.select([self._report], [], [], seconds)[0])

    def _told(self) -> int:
        told = os.read(self._report, _NUMBER)
        assert told, "the process that forks the others is gone"
        return int.from_bytes(told, sys.byteorder, signed=True)


@cache
def _server() -> socket.socket:
    """Where to ask for a process; the server that answers ends with this process."""
    ours, theirs = socket.socketpair()
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.processes", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # Without the terminal at which a forgotten question would wait.
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> None:
    # `serve` asks for the way of starting workers as it is loaded, and gets the one of all else here.
    # The workers of a test in tests/faults/test_startup.py load the program themselves.
    with patch.object(multiprocessing, "get_context", return_value=multiprocessing.get_context("fork")):
        for module in _LOADED:
            importlib.import_module(module)
    # Tests read a line of the log right after the answer that it is about.
    vars(importlib.import_module("app.logs.writer"))["PAUSE"] = 0
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # No one waits for the watchers.
    while True:
        _, descriptors, _, _ = socket.recv_fds(requests, 1, _DESCRIPTORS)
        if not descriptors:
            # The process that asked has ended, perhaps in the middle of a test.
            for left in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            return
        if os.fork() == 0:
            requests.close()
            _watch(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(request: int, report: int, *streams: int) -> NoReturn:
    """Fork the command, and tell its exit status when it has one."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        _tell(report, os.getpid())
        os.close(report)
        _become(request, streams)
    for descriptor in (request, *streams):
        os.close(descriptor)
    _tell(report, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _tell(report: int, number: int) -> None:
    os.write(report, number.to_bytes(_NUMBER, sys.byteorder, signed=True))


def _become(request: int, streams: Sequence[int]) -> NoReturn:
    """All that `python -m app` does after its imports."""
    with open(request) as asked:
        asked.seek(0)
        arguments, environment = json.load(asked)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["app", *arguments]
    try:
        runpy.run_module("app", run_name="__main__", alter_sys=True)
        sys.exit()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()  # noqa: SLF001 - what the interpreter does first at its end
        # The interpreter would touch all that was loaded to tear it down, and copy it by that.
        os._exit(ended.code or 0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
