"""The operator's commands: ``python -m app --help``.

Exit status: 0 done, 1 refused with one line on stderr, 2 wrong usage.

The modules that declare the commands load quickly.
Settings, storage and the web server are loaded when a command runs.
"""

import gc
import signal
import sys

import typer

from app.cli import accounts as users
from app.cli import check_config as configuration
from app.cli import events, keys, sessions
from app.cli import serve as service
from app.domain.refusals import Refusal, Refused

cli = typer.Typer(
    help="Watchword: an authentication service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command()(service.dev)
cli.command()(service.serve)
cli.command()(service.migrate)
cli.add_typer(users.commands, name="users")
cli.add_typer(sessions.commands, name="sessions")
cli.add_typer(keys.commands, name="keys")
cli.add_typer(events.commands, name="events")
cli.command()(sessions.purge)
cli.command()(configuration.check_config)


def main() -> None:
    """Run a command. An error that the operator can mend is one line on stderr."""
    # Loaded modules never become garbage. Collecting among them takes a third of a short command.
    gc.freeze()
    gc.enable()
    # The first process of a container ignores SIGTERM unless it handles it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        cli()
    except Exception as error:
        line = _sentence(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
        sys.exit(1)


def _sentence(error: Exception) -> str | None:
    """Return the line for the operator, or None for a bug."""
    from app.dev import DevError
    from app.settings import SettingsError
    from app.storage.postgres.outages import Misconfigured

    match error:
        case Misconfigured():
            return error.mend
        case Refused(refusal=Refusal.UNAVAILABLE):
            reason = str(error.__cause__) or type(error.__cause__).__name__
            return f"Postgres does not answer ({reason}); is it running, and is AUTH_DATABASE_URL right?"
        case Refused():
            return error.sentence
        case DevError() | SettingsError():
            return str(error)
        case _:
            return None
