"""What the operator's commands share: options, and a service without its web server."""

import gc
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from app.wiring import Service

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_T = TypeVar("_T")


def run(command: "Callable[[Service], Awaitable[_T]]") -> _T:
    """Open the service, run a command on it, and return the command's result."""
    with loading():
        import asyncio

        from app.logs import configure_logs
        from app.settings import Settings, load
        from app.wiring import open_service

    async def run_command() -> _T:
        settings = load(Settings)
        # Standard output is for the command's answer.
        configure_logs(settings.log_format, settings.log_level, "stderr")
        async with open_service(settings) as service:
            return await command(service)

    return asyncio.run(run_command())


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless ``yes``. Any answer but yes ends the command with status 1."""
    if yes:
        return
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort:
        print("\nNothing was done. --yes answers the question in advance.", file=sys.stderr)
        raise typer.Exit(1) from None


@contextmanager
def loading() -> Iterator[None]:
    """Import modules without garbage collection, and exclude them from later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
