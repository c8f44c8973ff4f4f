"""The operator's commands: ``python -m app --help``.

Exit status: 0 done, 1 refused with one line on stderr, 2 wrong usage.

The modules that declare the commands load quickly.
Settings, storage and the web server are loaded when a command runs.
"""

import errno
import gc
import os
import signal
import sys
from typing import TextIO

import typer

from app.cli import accounts as users
from app.cli import check_config as configuration
from app.cli import events, keys, sessions
from app.cli import serve as service
from app.domain.refusals import Refusal, Refused

_UNWRITTEN = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO}
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
    _open_streams()
    # Loaded modules never become garbage. Collecting among them takes a third of a short command.
    gc.freeze()
    gc.enable()
    # The first process of a container ignores SIGTERM unless it handles it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        try:
            cli()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except Exception as error:
        line = _unwritten(error) if isinstance(error, OSError) else _sentence(error)
        if line is None:
            raise
        if line and sys.stderr is not None:
            try:
                print(line, file=sys.stderr)
            except OSError:
                _discard(sys.stderr)
        sys.exit(1)


def _open_streams() -> None:
    """Keep the numbers of streams that were closed before the start: a socket must not get one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _unwritten(error: OSError) -> str | None:
    """Return the line for an answer that cannot be written, or None for a bug.

    The line is empty when the reader went away, as ``head`` does.
    """
    if error.filename is not None or error.errno not in _UNWRITTEN:
        return None
    _discard(sys.stdout)
    return "" if error.errno == errno.EPIPE else f"the answer cannot be written: {os.strerror(error.errno)}"


def _discard(stream: TextIO | None) -> None:
    """Let nothing more fail in a stream: Python would write the rest at its end, and complain."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
