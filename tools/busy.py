"""Run `make test` several times beside processes that keep the processors busy, and say what came of it.

Usage: python tools/busy.py RUNS BUSY
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 3600.0
"""Seconds that one run may take before it counts as hung."""


def spin(parent: int) -> None:
    """Compute until the parent process has ended."""
    while os.getppid() == parent:
        sum(range(1_000_000))


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Keep so many processes computing."""
    spinning = [multiprocessing.Process(target=spin, args=(os.getpid(),), daemon=True) for _ in range(number)]
    for process in spinning:
        process.start()
    try:
        yield
    finally:
        for process in spinning:
            process.terminate()
            process.join()


def run(log: Path) -> str:
    """Run the tests once; return how that ended."""
    with log.open("w") as output:
        tests = subprocess.Popen(
            ["make", "test"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return "passed" if tests.wait(LONGEST) == 0 else "failed"
    except subprocess.TimeoutExpired:
        return "hung"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(tests.pid, signal.SIGKILL)
        tests.wait()


def failures(log: Path) -> Iterator[str]:
    """The lines of a log that name what failed."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(("FAILED", "ERROR")):
            yield line


def main(runs: int, number: int) -> int:
    """Print a line for each run, and what failed in it; 1 if a run did not pass."""
    folder, ends = Path(tempfile.mkdtemp(prefix="watchword-busy-")), []
    print(f"{runs} runs beside {number} busy processes; the output is in {folder}", flush=True)
    with busy(number):
        for turn in range(1, runs + 1):
            log, start = folder / f"{turn}.log", time.monotonic()
            ends.append(run(log))
            print(f"run {turn}: {ends[-1]} after {time.monotonic() - start:.0f} s", flush=True)
            for line in failures(log):
                print(f"  {line}", flush=True)
    print(f"{ends.count('passed')} of {runs} runs passed")
    return int(ends.count("passed") < runs)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
