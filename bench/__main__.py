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
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import machine, report
from bench.budgets import ASGI, CHEAP_HASH, ES256, FASTAPI, OPERATIONS, SERVICE
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


def one_worker(
    servers: Servers, load: Load, plan: Plan, seeds: Seeds, es256: Seeds, cores: set[int]
) -> list[report.Row]:
    """Measure the service with one worker, on these cores, beside the floors on the same ones."""
    with ExitStack() as stack:
        systems = {}
        for name, database in DATABASES.items():
            settings = ES256_KEYS if name == ES256 else None
            systems[name] = stack.enter_context(running(name, database, servers, cores, settings=settings))
        for name, system in systems.items():
            open_for(load, system, servers, es256 if name == ES256 else seeds)
        contests = [
            Contest(each.name, each.in_flight, [systems[name] for name in (each.service, FASTAPI, ASGI)])
            for each in OPERATIONS
        ]
        return report.rows(OPERATIONS, alternate(load, contests, plan))


def two_workers(servers: Servers, load: Load, plan: Plan, seeds: Seeds) -> Results:
    """Measure the service with two workers on all cores, which they share with Postgres and the clients."""
    with running(SERVICE, "two_workers", servers, all_cores(), workers=2) as started:
        system = replace(started, name="two workers")
        open_for(load, system, servers, seeds)
        contests = [
            Contest(each.name, 2 * each.in_flight, [system])
            for each in OPERATIONS
            if each.service == SERVICE and each.budget is not None
        ]
        return alternate(load, contests, plan)


def main() -> int:
    """Run all of it and return the exit status: 1 when a budget was missed."""
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--quick", action="store_true", help="a moment of each, for a test")
    options.add_argument("--results", type=Path, default=report.RESULTS, help="the folder to write to")
    arguments = options.parse_args()
    plan, amounts = QUICK if arguments.quick else (Plan(), Amounts())
    start = time.monotonic()
    print(f"{machine.describe()}\n")
    with private_servers() as servers, clients(other_cores()) as load:
        make(servers, "seeded", [DATABASES[ES256]])
        seeds = fill(servers, "seeded", amounts)
        es256 = fill(servers, DATABASES[ES256], amounts._replace(shown=0, ended=0), **ES256_KEYS)
        copies = [database for name, database in DATABASES.items() if name != ES256]
        copy(servers, "seeded", [*copies, "two_workers"])
        cores = all_cores() if arguments.quick else server_core()
        rows = one_worker(servers, load, plan, seeds, es256, cores)
        print(f"One worker on one core:\n{report.table(rows)}\n")
        print(report.NOTES)
        doubled = two_workers(servers, load, plan._replace(rounds=min(plan.rounds, 3), longest=20), seeds)
        print(f"\nTwo workers on {len(all_cores())} cores, with everything else on them too:")
        print(report.short_table(doubled))
    report.write(arguments.results / "latest.json", {row.operation.name: report.figures(row) for row in rows})
    report.write(
        arguments.results / "two_workers.json",
        {name: report.short_figures(each) for name, systems in doubled.items() for each in systems.values()},
    )
    missed = [row.operation.name for row in rows if not row.is_within_budget]
    print(f"\n{time.monotonic() - start:.0f} s; the figures are in {arguments.results}")
    print(f"Over the budget: {', '.join(missed)}" if missed else "Every operation is within its budget.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
