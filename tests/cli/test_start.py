"""A command loads only the libraries that it needs, because loading them takes most of its time."""

import subprocess
import sys

from tests.support.servers import ROOT, process_environment

HEAVY = {
    "alembic",
    "app.main",
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
for command in sys.argv[1:]:
    sys.argv = ["app", *command.split()]
    try:
        main()
    except SystemExit:
        print("loaded", *sys.modules, file=sys.stderr)
"""
COMMANDS = [
    *("", "dev", "serve", "migrate", "purge", "check-config"),
    *("users", "users create", "sessions", "keys", "events", "events tail"),
]


def libraries(*commands: str) -> dict[str, set[str]]:
    """The heavy libraries that one process has loaded at the end of each of the commands."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *commands],
        cwd=ROOT,
        env=process_environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = [line.split() for line in done.stderr.splitlines() if line.startswith("loaded ")]
    return {command: HEAVY & set(names) for command, names in zip(commands, loaded, strict=True)}


def test_a_help_text_loads_no_heavy_library() -> None:
    texts = [f"{command} --help" for command in COMMANDS]
    assert libraries(*texts) == {text: set() for text in texts}


def test_the_check_of_a_deployment_loads_no_library_of_the_storage() -> None:
    (loaded,) = libraries("check-config --url http://localhost:1").values()
    assert "httpx2" in loaded
    assert loaded.isdisjoint({"alembic", "redis", "sqlalchemy"})


def test_commands_load_neither_the_web_framework_nor_the_http_client() -> None:
    (loaded,) = libraries("users list").values()
    assert "sqlalchemy" in loaded
    assert loaded.isdisjoint({"alembic", "app.main", "fastapi", "httpx2"})
