"""The operator's commands: ``python -m app --help``.

Exit status: 0 done, 1 refused with one line on stderr, 2 wrong usage.

The modules that declare the commands load quickly.
Settings, storage and the web server are loaded when a command runs.
"""

import gc
import os
import signal
import sys
from typing import Annotated

import typer

from app import __version__
from app.cli import accounts as users
from app.cli import check_config as configuration
from app.cli import clients, events, keys, service, sessions
from app.cli.failures import reported


def _print_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        print(f"watchword {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
]
cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback()
def options(*, version: Version = False) -> None:
    """Watchword: an authentication service."""


cli.command()(service.dev)
cli.command()(service.serve)
cli.command()(service.migrate)
cli.add_typer(users.commands, name="users")
cli.add_typer(sessions.commands, name="sessions")
cli.add_typer(keys.commands, name="keys")
cli.add_typer(clients.commands, name="clients")
cli.add_typer(events.commands, name="events")
cli.command()(sessions.purge)
cli.command()(configuration.check_config)


def main() -> None:
    """Run a command. An error that the operator can mend is one line on stderr."""
    _open_streams()
    # Loaded modules never become garbage. Collecting among them takes a third of a short command.
    gc.freeze()
    gc.enable()
    # The first process of a container ignores SIGTERM unless it handles it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with reported():
        try:
            cli()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()


def _open_streams() -> None:
    """Keep the numbers of streams that were closed before the start: a socket must not get one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
