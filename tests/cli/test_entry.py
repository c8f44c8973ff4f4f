"""The entry of all commands: the version, and signals before there is anything to end or to replace."""

import signal
import subprocess
import sys

from app import __version__
from tests.support.servers import ROOT, app, process_environment

# The signal comes while the library of the command line is looked for.
SIGNALLED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "typer":
            os.kill(os.getpid(), int(sys.argv.pop()))
sys.meta_path.insert(0, Finder())
sys.argv[0] = "app"
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""


def test_the_version_is_printed_without_any_setting() -> None:
    done = app("--version", environment={})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"watchword {__version__}\n", "")


def signalled(number: signal.Signals, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SIGNALLED, *arguments, str(int(number))],
        cwd=ROOT,
        env=process_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_ctrl_c_while_a_command_is_loaded_ends_it_without_a_traceback() -> None:
    done = signalled(signal.SIGINT, "users", "list")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_reload_while_the_service_is_loaded_does_not_end_it() -> None:
    done = signalled(signal.SIGHUP, "serve", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Run the service" in done.stdout
