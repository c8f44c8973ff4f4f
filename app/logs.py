"""Logs: one JSON object a line for programs, or readable lines for people."""

import logging
import sys
from typing import Literal, TextIO

import orjson
import structlog

# Local variables hold passwords and tokens.
_traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure_logs(style: Literal["json", "console"], stream: TextIO = sys.stdout) -> None:
    """Send the service's events and the libraries' log records to a stream.

    In both forms a value from a client stays within its line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True),
    ]
    if style == "json":
        structlog.configure(
            processors=[
                *shared,
                structlog.processors.ExceptionRenderer(_traceback),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            logger_factory=structlog.BytesLoggerFactory(stream.buffer),
            cache_logger_on_first_use=True,
        )
    else:
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
        structlog.configure(
            processors=[*shared, renderer], logger_factory=structlog.PrintLoggerFactory(stream)
        )
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


class _Forward(logging.Handler):
    """Passes the libraries' records to structlog, so every line has the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, "library." + record.name, message=record.getMessage(), exc_info=record.exc_info
        )
