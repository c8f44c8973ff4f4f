"""The commands ``dev``, ``serve`` and ``migrate``: their options."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Yes, confirm, loading

Port = Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")]


def dev(
    port: Port = 8000,
    folder: Annotated[Path, typer.Option(help="Folder for the data.")] = Path(".data"),
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Remove the data first, and start anew.")] = False,
    yes: Yes = False,
) -> None:
    """Run everything on this machine: a private Postgres and Valkey, a demo account, the service."""
    import app.dev

    if reset:
        confirm(f"Remove the accounts, the secrets and all other data in {folder}?", yes=yes)
        app.dev.reset(folder)

    raise typer.Exit(app.dev.run(folder, port=port))


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: AUTH_LISTEN.")] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="TCP port. Default: AUTH_LISTEN.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Number of processes.")] = 1,
) -> None:
    """Run the service. It waits up to AUTH_STARTUP_TIMEOUT for Postgres."""
    with loading():
        from app.cli import serve as parent

    parent.serve(host, port, workers)


def migrate() -> None:
    """Migrate the tables to this release. It waits for Postgres, and several replicas may run it at once."""
    with loading():
        from app.cli import migrate as tables

    tables.migrate()
