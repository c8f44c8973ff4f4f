"""Where a worker spends its time at refreshes, as a picture.

    make bench-flame

py-spy looks at the stacks of a worker 500 times a second while clients refresh, eight at a time. Threads that
wait are left out. The picture is written to docs/refresh.svg, and the shares of the parts are printed.
"""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from re import compile as pattern
from tempfile import TemporaryDirectory

from bench.budgets import SERVICE
from bench.databases import fill, make
from bench.flame.parts import shares
from bench.flame.svg import picture
from bench.installs import install
from bench.load import Load, clients
from bench.opening import open_for, private_servers
from bench.processes import ROOT, command_line, descendants, other_cores, server_core
from bench.seeds import Amounts
from bench.systems import System, running

SECONDS = 20
PICTURE = ROOT / "docs" / "refresh.svg"
_WAITING = ("select (", "wait (", "_batches (", "_worker (", "poll (")
"""How the frames begin or end in which a thread waits for work."""
_BEGIN = {"Runner.run (asyncio/runners.py)", "LogWriter._run (app/logs/writer.py)"}
"""The event loop, and the thread that writes the log."""
_LINE = pattern(r":\d+\)$")


def main() -> int:
    """Run all of it; 1 where py-spy cannot be installed."""
    folder = install("py-spy")
    if folder is None:
        return 1
    with private_servers() as servers, clients(other_cores()) as load:
        make(servers, SERVICE)
        seeds = fill(servers, SERVICE, Amounts(shown=1, ended=1))
        with running(SERVICE, SERVICE, servers, server_core()) as system:
            open_for(load, system, servers, seeds)
            stacks = sampled(folder / "bin" / "py-spy", system, load)
    PICTURE.write_text(picture(stacks, "POST /refresh: one worker's processor time"))
    print(f"{sum(stacks.values()):,} samples; the picture is {PICTURE.relative_to(ROOT)}")
    for part, share in shares(stacks):
        print(f"{share:6.1%}  {part}")
    return 0


def sampled(profiler: Path, system: System, load: Load) -> Counter[tuple[str, ...]]:
    """Return how often each stack of the worker was seen working, the outermost frame first."""
    load.send(SERVICE, "refresh", in_flight=8, seconds=1)
    (worker,) = (pid for pid in descendants(system.process.pid) if "spawn_main" in command_line(pid))
    with TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks.txt"
        options = ("--format", "raw", "--function", "--rate", "500", "--duration", str(SECONDS))
        command = [str(profiler), "record", "--pid", str(worker), *options, "--output", str(raw)]
        with subprocess.Popen(  # noqa: S603 - a program of ours
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as spy:
            while spy.poll() is None:
                load.send(SERVICE, "refresh", in_flight=8, seconds=1)
        return working(raw.read_text())


def working(raw: str) -> Counter[tuple[str, ...]]:
    """Return the stacks of a collapsed profile, without those that wait and what starts a thread."""
    stacks = Counter[tuple[str, ...]]()
    for line in raw.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = tuple(_LINE.sub(")", frame) for frame in stack.split(";"))
        if not any(mark in frames[-1] for mark in _WAITING):
            begin = max(place for place, frame in enumerate(frames) if frame in _BEGIN or place == 0)
            stacks[frames[begin:]] += int(number)
    return stacks


if __name__ == "__main__":
    sys.exit(main())
