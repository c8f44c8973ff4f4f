"""What each kind of request costs, beside the least that it could cost.

    make bench

It starts a PostgreSQL and Valkeys of its own, the service as in production, and two floors: a FastAPI
application and one without a framework, which do only the unavoidable on copies of the same data. Clients in
a process of their own keep one after the other busy, for a third of a second each.
docs/performance.md says how to read the table.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench import machine, report
from bench.budgets import ASGI, CHEAP_HASH, ES256, FASTAPI, OPERATIONS, SERVICE, Operation
from bench.databases import ES256_KEYS, copy, fill, make
from bench.load import Load, clients
from bench.opening import open_for, private_servers
from bench.processes import all_cores, other_cores, server_core
from bench.rounds import Contest, Plan, Results, alternate
from bench.seeds import Amounts, Seeds
from bench.systems import Servers, running

DATABASES = {SERVICE: "service", CHEAP_HASH: "cheap_hash", FASTAPI: "fastapi", ASGI: "asgi", ES256: "es256"}
QUICK = (Plan(1, 0.05), Amounts(accounts=20, refreshed=1_000, shown=20, ended=1_000))
"""For the test of this benchmark. Its figures mean nothing: nothing is warm, and all share the cores."""


class Run(NamedTuple):
    """What a run has: servers, clients and what they hold, for keys of RS256 and of ES256."""

    servers: Servers
    load: Load
    plan: Plan
    amounts: Amounts
    seeds: Seeds
    es256: Seeds

    def most(self, operation: Operation) -> int:
        """How many requests of an operation a turn may send, so that each turn has its share."""
        is_single = operation.name.startswith("logout")
        return (
            self.amounts.ended // (self.plan.rounds + 1) - operation.in_flight if is_single else sys.maxsize
        )


def one_worker(run: Run, operations: Sequence[Operation], cores: set[int]) -> list[report.Row]:
    """Measure the service with one worker, on these cores, beside the floors on the same ones."""
    needed = {FASTAPI, ASGI, *(each.service for each in operations)}
    with ExitStack() as stack:
        systems = {}
        for name in sorted(needed):
            settings = ES256_KEYS if name == ES256 else None
            started = running(name, DATABASES[name], run.servers, cores, settings=settings)
            systems[name] = stack.enter_context(started)
        for name, system in systems.items():
            open_for(run.load, system, run.servers, run.es256 if name == ES256 else run.seeds)
        contests = [
            Contest(
                each.name,
                each.in_flight,
                [systems[name] for name in (each.service, FASTAPI, ASGI)],
                run.most(each),
            )
            for each in operations
        ]
        return report.rows(operations, alternate(run.load, contests, run.plan))


def two_workers(run: Run) -> Results:
    """Measure the service with two workers on all cores, which they share with Postgres and the clients."""
    with running(SERVICE, "two_workers", run.servers, all_cores(), workers=2) as started:
        system = replace(started, name="two workers")
        open_for(run.load, system, run.servers, run.seeds)
        contests = [
            Contest(each.name, 2 * each.in_flight, [system], run.most(each))
            for each in OPERATIONS
            if each.service == SERVICE and each.budget is not None
        ]
        plan = run.plan._replace(rounds=min(run.plan.rounds, 3), longest=20)
        return alternate(run.load, contests, plan)


@contextmanager
def prepared(plan: Plan, amounts: Amounts) -> Iterator[Run]:
    """Start the servers and the clients, and fill the databases."""
    with private_servers() as servers, clients(other_cores()) as load:
        make(servers, "seeded", [DATABASES[ES256]])
        seeds = fill(servers, "seeded", amounts)
        es256 = fill(servers, DATABASES[ES256], amounts._replace(shown=0, ended=0), **ES256_KEYS)
        copies = [database for name, database in DATABASES.items() if name != ES256]
        copy(servers, "seeded", [*copies, "two_workers"])
        yield Run(servers, load, plan, amounts, seeds, es256)


def measure(arguments: argparse.Namespace) -> list[report.Row]:
    """Measure and show what is asked for; the figures of a whole run are written to files."""
    names, folder = arguments.only, arguments.results
    operations = [each for each in OPERATIONS if not names or each.name in names]
    plan, amounts = QUICK if arguments.quick else (Plan(), Amounts())
    with prepared(plan, amounts) as run:
        rows = one_worker(run, operations, all_cores() if arguments.quick else server_core())
        print(f"One worker on one core:\n{report.table(rows)}\n")
        print(report.NOTES)
        if names:
            return rows
        doubled = two_workers(run)
        print(f"\nTwo workers on {len(all_cores())} cores, with everything else on them too:")
        print(report.short_table(doubled))
    report.write(folder / "latest.json", {row.operation.name: report.figures(row) for row in rows})
    report.write(
        folder / "two_workers.json",
        {name: report.short_figures(each) for name, systems in doubled.items() for each in systems.values()},
    )
    print(f"The figures are in {folder}.")
    return rows


def main() -> int:
    """Run what is asked for and return the exit status: 1 when a budget was missed."""
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--only", nargs="*", choices=[each.name for each in OPERATIONS], help="these alone")
    options.add_argument("--quick", action="store_true", help="a moment of each, for a test")
    options.add_argument("--results", type=Path, default=report.RESULTS, help="the folder to write to")
    start = time.monotonic()
    print(f"{machine.describe()}\n")
    rows = measure(options.parse_args())
    missed = [row.operation.name for row in rows if not row.is_within_budget]
    print(f"\n{time.monotonic() - start:.0f} s")
    print(f"Over the budget: {', '.join(missed)}" if missed else "Every operation is within its budget.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
