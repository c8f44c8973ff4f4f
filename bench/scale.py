"""What a refresh costs with ten thousand sessions and with ten million, and how fast sessions are deleted.

    make bench-scale

It fills two databases of a PostgreSQL of its own, and keeps a service on each of them busy in turns. Ten
million sessions take some ten minutes, most of them to write the rows, and 15 GB of disk.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from app.dev.processes import claimed
from app.storage.postgres.database import open_database
from app.storage.postgres.purges import deletion, purge
from bench import machine, report
from bench.budgets import SERVICE
from bench.databases import execute, make
from bench.load import Load, clients
from bench.processes import other_cores, pinned, server_core
from bench.rounds import Contest, Measured, Plan, alternate, ratio
from bench.scale_rows import EXPIRED_BEFORE, Filled, fill
from bench.systems import Servers, System, environment, running
from bench.traffic import Rotating
from tests.support.database import connect

SMALL, LARGE = "small", "large"
OPERATION, IN_FLIGHT = "refresh", 8
MOST_RATIO, LEAST_HOT = 1.15, 95.0
WHILE_FILLING = {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off"}
MEASURED = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
_BYTES_OF_ROW = 1500
_HEAD = "  sessions  table MB  indexes MB    req/s  p50 ms  p99 ms   server  Postgres   Redis     all  HOT %"
_YEAR = timedelta(days=365)
_NOWHERE = "redis://127.0.0.1:1/0"


class Size(NamedTuple):
    """What was measured with so many sessions."""

    filled: Filled
    refresh: Measured
    hot_percent: float
    wal_bytes: dict[str, float]
    """For a refresh, by ``wal_compression``: the first refreshes after a checkpoint."""


class Purged(NamedTuple):
    """How long a look takes that finds nothing to delete, and how fast expired sessions are deleted."""

    empty_ms: float
    rows: int
    rows_per_second: float


@contextmanager
def servers_with(folder: Path, settings: Mapping[str, str]) -> Iterator[Servers]:
    """Run the PostgreSQL of this folder, which uses these settings from its next start on."""
    with ExitStack() as stack:
        servers = Servers(folder, stack)
        yield servers
        set_all(servers, settings)


def set_all(servers: Servers, settings: Mapping[str, str]) -> None:
    """Write settings into the configuration of the server."""
    execute(servers, *(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))


def fill_both(servers: Servers, sizes: Mapping[str, int], refreshed: int) -> dict[str, Filled]:
    """Make the databases."""
    filled = {}
    for name, sessions in sizes.items():
        start = time.monotonic()
        make(servers, name)
        wanted = environment(servers.database_url(name), _NOWHERE)
        filled[name] = asyncio.run(fill(wanted, sessions, min(refreshed, sessions // 2)))
        print(f"{sessions:,} sessions were written in {time.monotonic() - start:.0f} s", flush=True)
    execute(servers, *(f"ALTER SYSTEM RESET {name}" for name in WHILE_FILLING))
    return filled


def measure(servers: Servers, load: Load, filled: Mapping[str, Filled], plan: Plan) -> dict[str, Size]:
    """Keep a service on each database busy in turns."""
    with ExitStack() as stack:
        systems = []
        for name, each in filled.items():
            running_one = stack.enter_context(running(SERVICE, name, servers, server_core()))
            system = replace(running_one, name=name)
            system.wait(servers.log(SERVICE))
            tokens = deque(each.tokens)
            load.open(name, system.port, {OPERATION: Rotating("/refresh", "refresh_token", tokens)})
            systems.append(system)
            asyncio.run(forget_changes(servers, name))
        execute(servers, "CHECKPOINT")
        measured = alternate(load, [Contest(OPERATION, IN_FLIGHT, systems)], plan)[OPERATION]
        wal = {system.name: wal_bytes(servers, load, system, plan.seconds) for system in systems}
    return {
        name: Size(each, measured[name], asyncio.run(hot_percent(servers, name)), wal[name])
        for name, each in filled.items()
    }


def wal_bytes(servers: Servers, load: Load, system: System, seconds: float) -> dict[str, float]:
    """Return the bytes of WAL of a refresh for each compression that the server has, after a checkpoint."""
    found = {}
    choices = ask(servers, "SELECT enumvals FROM pg_settings WHERE name = 'wal_compression'")
    for compression in ("off", *(kind for kind in ("pglz", "lz4") if kind in choices)):
        set_all(servers, {"wal_compression": compression})
        execute(servers, "SELECT pg_reload_conf()", "CHECKPOINT")
        time.sleep(1)  # The backends have read the configuration.
        before = ask(servers, "SELECT pg_current_wal_insert_lsn()::text")
        requests = load.send(system.name, OPERATION, in_flight=IN_FLIGHT, seconds=seconds).requests
        written = ask(servers, f"SELECT pg_current_wal_insert_lsn() - '{before}'::pg_lsn")
        found[compression] = float(written) / requests
    return found


def ask(servers: Servers, question: str) -> Any:  # noqa: ANN401 - as the driver reads it
    """Return what the server answers."""

    async def run() -> Any:  # noqa: ANN401 - as above
        sql = await connect(servers.postgres.url)
        try:
            return await sql.fetchval(question)
        finally:
            await sql.close()

    return asyncio.run(run())


async def forget_changes(servers: Servers, database: str) -> None:
    """Count changes of sessions from now on."""
    sql = await connect(servers.database_url(database))
    await sql.execute("SELECT pg_stat_reset_single_table_counters('sessions'::regclass)")
    await sql.close()


async def hot_percent(servers: Servers, database: str) -> float:
    """Return how many of a hundred changes of sessions were HOT."""
    sql = await connect(servers.database_url(database))
    question = "SELECT 100.0 * n_tup_hot_upd / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"
    found = float(await sql.fetchval(question))
    await sql.close()
    return found


async def purge_expired(servers: Servers) -> Purged:
    """Look for sessions that expired a year ago, of which there are none, and delete those that expired."""
    database = open_database(servers.database_url(LARGE), pool_size=1)
    statement = deletion("sessions", "expires_at")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        assert not await purge(database, statement, _YEAR)
        times.append((time.perf_counter() - start) * 1e3)
    start = time.perf_counter()
    rows = await purge(database, statement, EXPIRED_BEFORE)
    seconds = time.perf_counter() - start
    await database.close()
    return Purged(median(times), rows, rows / seconds)


def table(sizes: Mapping[str, Size]) -> str:
    """Return the table of what was measured."""
    kinds = list(sizes[LARGE].wal_bytes)
    lines = [_HEAD + "".join(f"  WAL {kind:>5}" for kind in kinds)]
    for size in sizes.values():
        refresh, cpu, filled = size.refresh, size.refresh.cpu, size.filled
        lines.append(
            f"{filled.sessions:10,} {filled.table_bytes / 1e6:9,.0f} {filled.index_bytes / 1e6:11,.0f}"
            f" {refresh.rate:8,.0f} {refresh.percentile(50):7.2f} {refresh.percentile(99):7.2f}"
            f" {cpu.server:8,.0f} {cpu.postgres:9,.0f} {cpu.redis:7,.0f} {sum(cpu):7,.0f}"
            f" {size.hot_percent:6.1f}" + "".join(f" {size.wal_bytes[kind]:10,.0f}" for kind in kinds)
        )
    return "\n".join(lines)


def figures(size: Size) -> dict[str, object]:
    """Return the figures of a database for a file."""
    return {
        "sessions": size.filled.sessions,
        "table_bytes": size.filled.table_bytes,
        "index_bytes": size.filled.index_bytes,
        **report.short_figures(size.refresh),
        "hot_percent": round(size.hot_percent, 2),
        "wal_bytes": {kind: round(number) for kind, number in size.wal_bytes.items()},
    }


def main() -> int:
    """Run all of it and return the exit status: 1 when the larger database costs too much more."""
    options = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    options.add_argument("--sessions", type=int, default=10_000_000, help="in the larger database")
    options.add_argument("--small", type=int, default=10_000, help="sessions in the smaller one")
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--results", type=Path, default=report.RESULTS, help="the folder to write to")
    arguments = options.parse_args()
    numbers = {SMALL: arguments.small, LARGE: arguments.sessions}
    start = time.monotonic()
    print(f"{machine.describe()}\n")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="watchword-bench-"))).resolve()
        assert shutil.disk_usage(folder).free > 2 * _BYTES_OF_ROW * arguments.sessions, (
            "the disk is too small"
        )
        stack.enter_context(claimed(folder))
        stack.enter_context(pinned(other_cores()))
        with servers_with(folder, WHILE_FILLING | MEASURED):
            pass
        with servers_with(folder, {}) as servers:
            filled = fill_both(servers, numbers, refreshed=20_000)
        servers = stack.enter_context(servers_with(folder, {}))
        load = stack.enter_context(clients(other_cores()))
        sizes = measure(servers, load, filled, Plan(arguments.rounds, 0.5))
        purged = asyncio.run(purge_expired(servers))
    found = ratio(sizes[LARGE].refresh, sizes[SMALL].refresh)
    print(table(sizes))
    print(f"The ratio is {found.median:.2f} (quartiles {found.lower:.2f} and {found.upper:.2f}).")
    print(f"A purge that found nothing took {purged.empty_ms:.1f} ms.")
    print(f"Another one deleted {purged.rows:,} sessions, {purged.rows_per_second:,.0f} a second.")
    results = {name: figures(size) for name, size in sizes.items()}
    results |= {"ratio": found._asdict(), "purge": purged._asdict()}
    report.write(arguments.results / "scale.json", results)
    print(f"{time.monotonic() - start:.0f} s; the figures are in {arguments.results}")
    missed = found.median > MOST_RATIO or min(size.hot_percent for size in sizes.values()) < LEAST_HOT
    print("Over the budget." if missed else "Within the budget.")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
