"""The operator's commands: ``python -m app --help``.

Exit status: 0 done, 1 refused with one clear line on stderr, 2 wrong usage.
"""

import gc
import signal
import sys

import typer

from app.cli import accounts as users
from app.cli import check_config as configuration
from app.cli import events, keys, sessions
from app.cli import serve as service
from app.dev import DevError
from app.domain.refusals import Refusal, Refused
from app.settings import SettingsError
from app.storage.postgres.outages import Misconfigured

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
    """Run a command."""
    # What is loaded stays; looking through it for garbage, at the end too, takes a third of a short command.
    gc.freeze()
    gc.enable()
    # As the first process of a container it would not be stopped by SIGTERM otherwise.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        cli()
    except (DevError, SettingsError) as error:
        _refuse(str(error))
    except Misconfigured as error:
        _refuse(error.mend)
    except Refused as error:
        if error.refusal is not Refusal.UNAVAILABLE:
            _refuse(error.sentence)
        _refuse(
            f"Postgres does not answer ({_reason(error)}); is it running, and is AUTH_DATABASE_URL right?"
        )


def _reason(error: Refused) -> str:
    return str(error.__cause__) or type(error.__cause__).__name__


def _refuse(line: str) -> None:
    print(line, file=sys.stderr)
    sys.exit(1)
