"""A command loads only the libraries that it needs, because loading them takes most of its time."""

import subprocess
import sys

import pytest

from tests.support.servers import ROOT, process_environment

HEAVY = {
    "alembic",
    "cryptography",
    "fastapi",
    "httpx2",
    "limits",
    "pydantic_settings",
    "redis",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
}
SCRIPT = """
import sys
from app.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def libraries(*arguments: str) -> set[str]:
    """The heavy libraries that a command has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=ROOT,
        env=process_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    return HEAVY & set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command",
    [
        *((), ("dev",), ("serve",), ("migrate",), ("purge",), ("check-config",)),
        *(("users",), ("users", "create"), ("sessions",), ("keys",), ("events",), ("events", "tail")),
    ],
    ids=" ".join,
)
def test_a_help_text_loads_no_heavy_library(command: tuple[str, ...]) -> None:
    assert libraries(*command, "--help") == set()


def test_the_check_of_a_deployment_loads_no_library_of_the_storage() -> None:
    loaded = libraries("check-config", "--url", "http://localhost:1")
    assert "httpx2" in loaded
    assert loaded.isdisjoint({"alembic", "redis", "sqlalchemy"})


def test_commands_load_neither_the_web_framework_nor_the_http_client() -> None:
    loaded = libraries("users", "list")
    assert loaded.isdisjoint({"alembic", "fastapi", "httpx2"})
