"""What settings save or cost at a refresh: the service with each of them, beside the default, in turn.

make bench-settings
"""

import sys
from contextlib import ExitStack
from dataclasses import replace

from bench import machine, report
from bench.budgets import SERVICE
from bench.databases import fill, make
from bench.load import clients
from bench.opening import open_for, private_servers
from bench.processes import other_cores, server_core
from bench.rounds import Contest, Plan, alternate, ratio
from bench.seeds import Amounts
from bench.systems import running

SETTINGS: dict[str, dict[str, str]] = {
    "defaults": {},
    "ES256": {"AUTH_SIGNING_ALGORITHM": "ES256"},
    "EdDSA": {"AUTH_SIGNING_ALGORITHM": "EdDSA"},
    "RSA of 3072 bits": {"AUTH_SIGNING_RSA_BITS": "3072"},
    "only warnings": {"AUTH_LOG_LEVEL": "warning"},
}
OPERATIONS = {"refresh": 8, "me": 8, "login": 4}
"""What is measured, and how many requests are in flight."""


def main() -> int:
    """Run all of it."""
    print(f"{machine.describe()}\n")
    with private_servers() as servers, clients(other_cores()) as load, ExitStack() as stack:
        databases = {name: f"database_{number}" for number, name in enumerate(SETTINGS)}
        make(servers, "empty", list(databases.values()))
        systems = []
        for name, settings in SETTINGS.items():
            seeds = fill(servers, databases[name], Amounts(ended=1), **settings)
            started = running(SERVICE, databases[name], servers, server_core(), settings=settings)
            system = replace(stack.enter_context(started), name=name)
            open_for(load, system, servers, seeds)
            systems.append(system)
        contests = [Contest(name, number, systems) for name, number in OPERATIONS.items()]
        results = alternate(load, contests, Plan())
    print(f"{report.short_table(results)}\n")
    for operation, measured in results.items():
        for name, each in measured.items():
            found = ratio(each, measured["defaults"])
            print(f"{operation:8} {name:17} {found.median:5.2f} ({found.lower:.2f}-{found.upper:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
