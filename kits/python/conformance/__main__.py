"""Runs the suite against a verifier: ``python -m conformance COMMAND [ARGUMENT ...]``.

Without a command, it runs against the four of ``conformance/adapters`` and prints a table in Markdown.
"""

import shutil
import sys
from pathlib import Path

from conformance.suite import Result, Suite

ADAPTERS = Path(__file__).parent / "adapters"
ALL = {
    "watchword-verifier": [sys.executable, str(ADAPTERS / "kit.py")],
    "PyJWT, PyJWKClient": [sys.executable, str(ADAPTERS / "pyjwkclient.py")],
    "joserfc": [sys.executable, str(ADAPTERS / "joserfc_keys.py")],
    "npm jose": ["node", str(ADAPTERS / "jose.mjs")],
}


def table() -> None:
    """Print how each of the four does."""
    columns = {
        name: list(Suite(command).results()) for name, command in ALL.items() if shutil.which(command[0])
    }
    print("| case |", " | ".join(columns), "|")
    print("|---|", "---|" * len(columns), sep="")
    for row in zip(*columns.values(), strict=True):
        print(f"| {row[0].case} |", " | ".join(map(_cell, row)), "|")
    print()
    for name, results in columns.items():
        for result in results:
            if ";" in result.seen:
                print(f"- {name}, {result.case}: {result.seen.partition('; ')[2]}.")


def _cell(result: Result) -> str:
    """Short; what is wrong with single tokens comes below the table."""
    return f"{'yes' if result.passed else '**no**'}: {result.seen.partition(';')[0]}"


def report(command: list[str]) -> int:
    """Print how one verifier does; the exit status is 1 when a case failed."""
    failed = 0
    for result in Suite(command).results():
        print("passed" if result.passed else "FAILED", f"{result.case}: {result.seen}", sep="  ")
        failed += not result.passed
    return int(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(report(sys.argv[1:]))
    table()
