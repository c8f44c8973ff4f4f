"""Logs: one JSON object a line for programs, or readable lines for people."""

import atexit
import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TextIO

import orjson
import structlog

from app.logs.writer import LogWriter

FLUSH_TIMEOUT = 1.0
"""Seconds that the end of a process waits for a reader of the log."""

# Local variables hold passwords and tokens.
_traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
_with_exception = structlog.processors.ExceptionRenderer(_traceback)
_writers: list[LogWriter] = []


def configure_logs(
    style: Literal["json", "console"],
    level: str = "info",
    output: Literal["stdout", "stderr"] = "stdout",
) -> None:
    """Send the service's events, the libraries' records and Python's own complaints to an output.

    In both forms a value from a client stays within its line. Lines are written by a thread: see LogWriter.
    """
    stream: TextIO | None = getattr(sys, output)
    # Python has no stream when the output was closed at the start. Its number may belong to a socket by now.
    writer = LogWriter(-1 if stream is None else stream.fileno(), _report_dropped)
    _writers.append(writer)
    processors: list[structlog.typing.Processor] = [_completed, _json]
    if style == "console":
        colors = stream is not None and stream.isatty()
        plain = structlog.dev.plain_traceback
        console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)
        processors = [_completed, console, _encoded]
    lowest = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=lambda *_: _Lines(writer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(lowest, logging.WARNING), handlers=[_Forward()], force=True)
    # Only the web server has something to say below warnings that holds no secret of a request.
    logging.getLogger("uvicorn").setLevel(logging.INFO if lowest < logging.INFO else logging.NOTSET)
    logging.captureWarnings(True)
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_end_of_thread


def is_log_failing() -> bool:
    """Whether lines were dropped and none was written since."""
    return bool(_writers) and _writers[-1].is_failing


def flush_logs() -> None:
    """Wait until what was logged is written, for a reader that stalls no longer than FLUSH_TIMEOUT."""
    if _writers:
        _writers[-1].flush(FLUSH_TIMEOUT)


atexit.register(flush_logs)


class _Lines:
    """The logger below structlog's processors, whose methods are the names of levels."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def msg(self, line: bytes) -> None:
        """Write a line."""
        self._writer.write(line + b"\n")

    debug = info = warning = error = critical = msg


class _Forward(logging.Handler):
    """Passes the libraries' records to structlog, so every line has the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        # A library may have a level of its own between two of these.
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        structlog.get_logger().log(level, "library." + record.name, message=message, exc_info=record.exc_info)


def _completed(logger: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the ids of the request, the level and the time.

    structlog's own processors of level and time take four times as long.
    """
    structlog.contextvars.merge_contextvars(logger, level, event)
    event["level"] = level
    second, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    event["timestamp"] = f"{_to_the_second(second)}.{nanoseconds // 1000:06}Z"
    return event


@lru_cache(1)
def _to_the_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _json(logger: object, level: str, event: structlog.typing.EventDict) -> bytes:
    if "exc_info" in event:
        event = _with_exception(logger, level, event)
    try:
        return orjson.dumps(event, default=repr)
    except TypeError:
        # Half a character (a lone surrogate), say, in the name of a file.
        return json.dumps(event, default=repr).encode()


def _encoded(_: object, __: str, text: Any) -> bytes:  # noqa: ANN401 - the renderer before it returns a str
    encoded: bytes = text.encode(errors="backslashreplace")
    return encoded


def _report_dropped(lines: int) -> None:
    structlog.get_logger().warning("log.dropped", lines=lines)


def _log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    """Python would write to standard error, which may be the same stalled pipe."""
    where = getattr(failure.object, "__qualname__", type(failure.object).__qualname__)
    structlog.get_logger().error("python.unraisable", where=where, exc_info=failure.exc_value)


def _log_end_of_thread(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread and failure.thread.name
    structlog.get_logger().error("python.thread_failed", thread=name, exc_info=failure.exc_value)
