"""What a command says when it fails: one line for an operator, or a traceback for a bug."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from app.domain.refusals import Refused, Unavailable

_UNWRITTEN = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO}


@contextmanager
def reported() -> Iterator[None]:
    """End with status 1 after an error that the operator can mend, which is one line on stderr."""
    try:
        yield
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


def _unwritten(error: OSError) -> str | None:
    """Return the line for an answer that cannot be written, or None for a bug.

    The line is empty when the reader went away, as ``head`` does.
    """
    if error.filename is not None or error.errno not in _UNWRITTEN:
        return None
    _discard(sys.stdout)
    return "" if error.errno == errno.EPIPE else f"the answer cannot be written: {os.strerror(error.errno)}"


def _discard(stream: TextIO | None) -> None:
    """Discard the rest of a stream: Python would try to write it at exit, and complain."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _sentence(error: Exception) -> str | None:
    """Return the line for the operator, or None for a bug."""
    from app.dev import DevError
    from app.settings import SettingsError
    from app.storage.postgres.outages import Misconfigured

    match error:
        case Misconfigured():
            return error.line
        case Unavailable():
            return (
                f"Postgres does not answer ({error.reason}); is it running, and is AUTH_DATABASE_URL right?"
            )
        case Refused():
            return error.sentence
        case DevError() | SettingsError():
            return str(error)
        case _:
            return None
