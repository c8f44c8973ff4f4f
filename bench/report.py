"""Shows what was measured, and writes it to `bench/results`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from bench.budgets import ASGI, FASTAPI, Operation
from bench.rounds import Measured, Results, ratio

RESULTS = Path(__file__).parent / "results"

NOTES = """\
CPU time is that of the server's processes with all their threads, of the backends of its database and of its
Valkey. A ratio is taken within each round. The service writes its log into a file, records events and
throttles, and the floors do not. refresh_es256 is compared with the floor that signs with RS256.
login_without_hash is a login with Argon2 at 8 KiB and one pass, on both sides."""
NOTES_OF_PEERS = """\
Each peer is set up as its documentation says, on the same Postgres, with Argon2id at the same cost. Its
default algorithm signs, and it limits no rates. Of better-auth, `refresh` is the JWT of a session, which does
not rotate. Of fastapi-users, a logout ends nothing."""
_PARTS = "  server Postgres   Redis     all"
_HEAD = f"""\
                           latency (ms)        CPU time of a request (µs)      floors (µs)    ratio to FastAPI
operation            req/s     p50     p99{_PARTS}  FastAPI    ASGI   median (quartiles)  budget"""


class Row(NamedTuple):
    """An operation of the service beside the floors."""

    operation: Operation
    measured: Measured
    fastapi: Measured
    asgi: Measured

    @property
    def is_within_budget(self) -> bool:
        """Whether the median of the ratios is."""
        budget = self.operation.budget
        return budget is None or ratio(self.measured, self.fastapi).median <= budget


def rows(operations: Sequence[Operation], results: Results) -> list[Row]:
    """Return each operation with what was measured in the same rounds."""
    found = []
    for operation in operations:
        systems = results[operation.name]
        found.append(Row(operation, systems[operation.service], systems[FASTAPI], systems[ASGI]))
    return found


def table(measured: Sequence[Row]) -> str:
    """Return a table: rates, latencies, CPU time of each part, the floors and the ratio."""
    lines = [_HEAD]
    for row in measured:
        found = ratio(row.measured, row.fastapi)
        lines.append(
            f"{row.operation.name:18}{_columns(row.measured)}"
            f"  {sum(row.fastapi.cpu):7,.0f} {sum(row.asgi.cpu):7,.0f}"
            f"   {found.median:5.2f} ({found.lower:.2f}-{found.upper:.2f})  {row.operation.budget or '':>6}"
            f"{'' if row.is_within_budget else '  MISSED'}"
        )
    return "\n".join(lines)


def short_table(results: Results) -> str:
    """Return a table without floors and ratios."""
    lines = [f"operation          system               req/s     p50     p99{_PARTS}"]
    for name, systems in results.items():
        for system, ours in systems.items():
            lines.append(f"{name:18} {system:17}{_columns(ours)}")
    return "\n".join(lines)


def _columns(measured: Measured) -> str:
    cpu = measured.cpu
    return (
        f" {measured.rate:7,.0f} {measured.percentile(50):7.2f} {measured.percentile(99):7.2f}"
        f"  {cpu.server:7,.0f} {cpu.postgres:8,.0f} {cpu.redis:7,.0f} {sum(cpu):7,.0f}"
    )


def figures(row: Row) -> dict[str, float | None]:
    """Return the figures of an operation for a file."""
    found = ratio(row.measured, row.fastapi)
    return {
        **short_figures(row.measured),
        "floor_us": round(sum(row.fastapi.cpu), 1),
        "asgi_floor_us": round(sum(row.asgi.cpu), 1),
        "ratio": round(found.median, 3),
        "ratio_lower_quartile": round(found.lower, 3),
        "ratio_upper_quartile": round(found.upper, 3),
        "budget": row.operation.budget,
    }


def short_figures(measured: Measured) -> dict[str, float]:
    """Return the figures of an operation at one system for a file."""
    cpu = measured.cpu
    return {
        "rps": round(measured.rate, 1),
        "p50_ms": round(measured.percentile(50), 3),
        "p99_ms": round(measured.percentile(99), 3),
        "cpu_us": round(sum(cpu), 1),
        "server_us": round(cpu.server, 1),
        "postgres_us": round(cpu.postgres, 1),
        "redis_us": round(cpu.redis, 1),
    }


def write(file: Path, content: Mapping[str, object]) -> None:
    """Write a file of results."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
