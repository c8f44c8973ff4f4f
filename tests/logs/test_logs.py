"""What the log's lines look like, and what ends up in it besides the service's own events."""

import json
import subprocess
import sys

import pytest

from tests.support.servers import ROOT

CONFIGURED = "import structlog, logging; from app.logs import configure_logs; log = structlog.get_logger();"


def lines_of(program: str, *, style: str = "json", level: str = "info", output: str = "stdout") -> list[str]:
    """The lines that a program of its own logs to an output; the other one has to stay empty."""
    configured = f"{CONFIGURED} configure_logs({style!r}, {level!r}, {output!r})\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", configured], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said, other = (done.stdout, done.stderr) if output == "stdout" else (done.stderr, done.stdout)
    assert other == ""
    return said.splitlines()


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_lines_below_the_level_are_left_out(level: str, shown: list[str]) -> None:
    program = "for name in ('debug', 'info', 'warning', 'error'): getattr(log, name)('said')"
    assert [json.loads(line)["level"] for line in lines_of(program, level=level)] == shown


def test_libraries_say_warnings_and_only_the_web_server_more_for_debugging() -> None:
    program = "for name in ('uvicorn.error', 'httpx2'): logging.getLogger(name).info('a')\nlog.info('last')"
    assert [json.loads(line)["event"] for line in lines_of(program)] == ["last"]
    told = [json.loads(line)["event"] for line in lines_of(program, level="debug")]
    assert told == ["library.uvicorn.error", "last"]
    odd = "logging.getLogger('odd').log(35, 'a level of its own')"
    (line,) = lines_of(odd)
    assert (json.loads(line)["event"], json.loads(line)["level"]) == ("library.odd", "warning")


def test_what_python_itself_complains_about_is_logged_and_not_written_beside_the_log() -> None:
    """Standard error may be the same stalled pipe, and Python writes to it at once."""
    program = """
import threading, warnings
warnings.warn('something is old')
class Broken:
    def __del__(self): raise LookupError('in a destructor')
Broken()
thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
"""
    warning, destructor, thread = map(json.loads, lines_of(program))
    assert warning["event"] == "library.py.warnings"
    assert "something is old" in warning["message"]
    assert (destructor["event"], destructor["exception"][0]["exc_type"]) == (
        "python.unraisable",
        "LookupError",
    )
    assert (thread["event"], thread["exception"][0]["exc_type"]) == (
        "python.thread_failed",
        "ZeroDivisionError",
    )


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("output", ["stdout", "stderr"])
def test_text_that_is_no_unicode_costs_no_line(style: str, output: str) -> None:
    (line,) = lines_of("log.info('said', name='\\udcff')", style=style, output=output)
    assert "\\udcff" in line


def test_a_message_that_its_library_formats_wrongly_is_logged_as_it_is() -> None:
    (line,) = lines_of("logging.getLogger('odd').warning('%d left', 'none')")
    assert json.loads(line)["message"] == "%d left"


def test_lines_are_written_when_the_program_ends_in_a_signal_handler() -> None:
    program = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
log.info('last')
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert [json.loads(line)["event"] for line in lines_of(program)] == ["last"]
