"""The service beside its peers: the same machine, the same Postgres, the same clients in turn.

    make bench-peers

The peers are installed into `.cache/bench`, in versions that `bench/installs.py` pins.
"""

import argparse
import sys
from contextlib import ExitStack

from bench import machine, report
from bench.budgets import OPERATIONS, SERVICE
from bench.databases import execute, fill, make
from bench.load import clients
from bench.opening import open_for, private_servers
from bench.peers.peers import installed, running
from bench.processes import other_cores, server_core
from bench.rounds import Contest, Plan, Results, alternate, ratio
from bench.seeds import Amounts
from bench.systems import running as running_service

COMPARED = ("login", "refresh", "logout", "jwks", "me")
PLAN = Plan(rounds=6, seconds=0.35)


def main() -> int:
    """Run what is asked for and return the exit status: 1 when a peer is ahead at an operation."""
    options = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    options.add_argument("--only", nargs="*", choices=COMPARED, default=COMPARED, help="these alone")
    compared, peers = options.parse_args().only, installed()
    print(f"{machine.describe()}\n")
    with private_servers() as servers, clients(other_cores()) as load, ExitStack() as stack:
        make(servers, SERVICE)
        seeds = fill(servers, SERVICE, Amounts(ended=4_000))
        service = stack.enter_context(running_service(SERVICE, SERVICE, servers, server_core()))
        open_for(load, service, servers, seeds)
        systems = {operation: [service] for operation in compared}
        for peer, folder in peers:
            execute(servers, f"CREATE DATABASE {peer.name.replace('-', '_')} TEMPLATE template0")
            system, traffic = stack.enter_context(running(peer, folder, servers))
            load.open(peer.name, system.port, traffic)
            for operation in systems.keys() & traffic.keys():
                systems[operation].append(system)
        in_flight = {each.name: each.in_flight for each in OPERATIONS}
        contests = [Contest(name, in_flight[name], found) for name, found in systems.items()]
        results = alternate(load, contests, PLAN)
    print(report.short_table(results))
    print(f"\n{report.NOTES_OF_PEERS}\n")
    if compared == COMPARED:
        report.write(
            report.RESULTS / "peers.json",
            {
                name: {system: report.short_figures(each) for system, each in found.items()}
                for name, found in results.items()
            },
        )
    return int(not is_ahead(results))


def is_ahead(results: Results) -> bool:
    """Print how many times the service's CPU time each peer takes, and return whether none takes less."""
    ahead = True
    for operation, systems in results.items():
        ours = systems[SERVICE]
        for name, peer in systems.items():
            if name != SERVICE:
                found = ratio(peer, ours)
                ahead &= found.median > 1
                print(
                    f"{operation:8} {name:14} {found.median:6.2f} times ours"
                    f" ({found.lower:.2f}-{found.upper:.2f}){'' if found.median > 1 else '  AHEAD OF US'}"
                )
    return ahead


if __name__ == "__main__":
    sys.exit(main())
