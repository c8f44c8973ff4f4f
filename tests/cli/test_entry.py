"""The entry of all commands: the version, and Ctrl-C before there is anything to end."""

import signal
import subprocess
import sys

from app import __version__
from tests.support.servers import ROOT, app, process_environment

# Ctrl-C comes while the library of the command line is looked for.
INTERRUPTED = """
import os, runpy, signal, sys
class Finder:
    def find_spec(self, name, path, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["app", "users", "list"]
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""


def test_the_version_is_printed_without_any_setting() -> None:
    done = app("--version", environment={})
    assert (done.returncode, done.stdout, done.stderr) == (0, f"watchword {__version__}\n", "")


def test_ctrl_c_while_a_command_is_loaded_ends_it_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=ROOT,
        env=process_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
