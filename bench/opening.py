"""How a benchmark begins: with private servers, and with systems that the clients know."""

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from app.dev.processes import claimed
from bench.budgets import ASGI, FASTAPI
from bench.load import Load
from bench.processes import other_cores, pinned
from bench.seeds import Seeds
from bench.systems import KEY_SET, Servers, System
from bench.traffic import traffic_of


@contextmanager
def private_servers() -> Iterator[Servers]:
    """Run PostgreSQL with its data on the disk, and nothing else on its cores but clients and Valkeys.

    SIGTERM ends them too.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with TemporaryDirectory(prefix="watchword-bench-") as name, ExitStack() as stack:
        folder = Path(name).resolve()
        stack.enter_context(claimed(folder))
        stack.enter_context(pinned(other_cores()))
        yield Servers(folder, stack)


def open_for(load: Load, system: System, servers: Servers, seeds: Seeds) -> None:
    """Wait until the system serves, and give its requests to the clients."""
    system.wait(servers.log(system.database))
    is_floor, etag = system.name in {FASTAPI, ASGI}, system.head(KEY_SET)["ETag"]
    load.open(system.name, system.port, traffic_of(seeds, etag, is_floor=is_floor))
