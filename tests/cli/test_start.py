"""A command loads only the libraries that it needs, because loading them takes most of its time."""

import gc
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from app.main import create_app
from tests.support.servers import ROOT, process_environment

HEAVY = {
    "alembic",
    "app.main",
    "asyncpg",
    "cryptography",
    "fastapi",
    "httpx2",
    "nacl",
    "passlib",
    "pydantic",
    "redis",
    "sqlalchemy",
    "starlette",
    "structlog",
    "typer",
    "ua_parser",
    "uvicorn",
}
SCRIPT = """
import sys
from app.cli.commands import main
for command in sys.argv[1:]:
    sys.argv = ["app", *command.split()]
    try:
        main()
    except SystemExit:
        print("loaded", *sys.modules, file=sys.stderr)
"""
COMMANDS = [
    *("", "dev", "serve", "migrate", "purge", "check-config"),
    *("users", "users create", "sessions", "keys", "clients", "events", "events tail"),
]


def libraries(*commands: str, environment: Mapping[str, str] = MappingProxyType({})) -> dict[str, set[str]]:
    """The heavy libraries that one process has loaded at the end of each of the commands."""
    done = started(SCRIPT, *commands, environment=environment)
    loaded = [line.split() for line in done.stderr.splitlines() if line.startswith("loaded ")]
    return {command: HEAVY & set(names) for command, names in zip(commands, loaded, strict=True)}


def started(
    script: str, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=process_environment(environment),
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_help_text_loads_no_heavy_library() -> None:
    texts = [f"{command} --help" for command in COMMANDS]
    loaded = libraries(*texts)
    assert loaded[" --help"] == {"typer"}
    # typer itself reads the options of a subcommand with pydantic.
    assert set().union(*loaded.values()) <= {"typer", "pydantic"}


def test_the_check_of_a_deployment_loads_no_library_of_the_storage() -> None:
    (loaded,) = libraries("check-config --url http://localhost:1").values()
    assert "httpx2" in loaded
    assert loaded.isdisjoint({"alembic", "asyncpg", "redis", "sqlalchemy"})


def test_commands_on_postgres_load_no_web_framework_no_http_client_and_no_orm(
    migrated: object, environment: dict[str, str]
) -> None:
    commands = ["users list", "events list", "keys list", "clients list", "purge"]
    (*_, loaded) = libraries(*commands, environment=environment).values()
    assert "asyncpg" in loaded
    assert loaded.isdisjoint(
        {"alembic", "app.main", "fastapi", "httpx2", "redis", "sqlalchemy", "starlette", "uvicorn"}
    )


def test_a_worker_loads_neither_the_command_line_nor_the_migrations() -> None:
    script = "import app.cli.work, app.server.protocol, sys; print(*sys.modules)"
    loaded = HEAVY & set(started(script).stdout.split())
    assert {"asyncpg", "fastapi", "uvicorn"} <= loaded
    assert loaded.isdisjoint({"alembic", "httpx2", "redis", "sqlalchemy", "typer", "ua_parser"})


async def test_garbage_is_collected_from_the_start_of_the_application_on(
    migrated: object, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker loads without."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    gc.disable()
    try:
        async with app.router.lifespan_context(app):
            assert gc.isenabled()
    finally:
        gc.enable()
