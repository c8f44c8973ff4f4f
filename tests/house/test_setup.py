"""`make run` installs what the service needs, and the other targets add what tests and checks need."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import ROOT

RUN, DEV = "requirements/run.txt", "requirements/dev.txt"
# It stands in for Python and pip: it makes a .venv of itself, and writes down what it was asked for.
PYTHON = """#!/bin/sh
case "$*" in
    -c*) ;;
    "-m venv --clear .venv")
        echo venv >>log
        rm -rf .venv
        mkdir -p .venv/bin .venv/lib/python3/site-packages/one.dist-info
        cp "$0" .venv/bin/python ;;
    "-m pip install "*)
        for file; do :; done
        echo "install $file" >>log
        test ! -e broken ;;
    *) echo "$*" >>log ;;
esac
"""
START = "-m app dev --port 8000"
RUN_INSTALLED, DEV_INSTALLED = ["venv", f"install {RUN}"], ["venv", f"install {DEV}"]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    Path("requirements").mkdir()
    lock("1")
    Path("python").write_text(PYTHON)
    Path("python").chmod(0o755)


def lock(version: str) -> None:
    Path(RUN).write_text(f"one=={version}\n")
    Path(DEV).write_text(f"one=={version}\ntwo=={version}\n")


def make(*targets: str, succeeds: bool = True) -> tuple[list[str], str]:
    """What was asked of Python, and what was printed."""
    Path("log").write_text("")
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.run(
        ["make", f"PYTHON={Path.cwd() / 'python'}", *targets],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode == 0) is succeeds, made.stderr
    return Path("log").read_text().splitlines(), made.stdout


def touch(file: str) -> None:
    """Let the file be newer than everything else."""
    stat = Path(file).stat()
    os.utime(file, (stat.st_atime + 3600, stat.st_mtime + 3600))


def test_run_installs_its_own_requirements_and_says_what_it_made() -> None:
    asked, printed = make("run")
    assert asked == [*RUN_INSTALLED, START]
    first, last = printed.splitlines()
    assert first == f"Installing {RUN} into .venv; this takes about a minute."
    assert last.startswith("Installed 1 packages, ")
    assert make("run") == ([START], "")


def test_what_tests_need_is_added_to_what_runs() -> None:
    make("run")
    assert make("setup")[0] == [f"install {DEV}"]
    assert make("setup")[0] == []
    assert make("run")[0] == [START]


def test_what_tests_need_is_enough_to_run() -> None:
    assert make("setup")[0] == DEV_INSTALLED
    assert make("run")[0] == [START]
    assert make("setup")[0] == []


@pytest.mark.parametrize("target", ["run", "setup"])
def test_a_new_date_alone_installs_nothing(target: str) -> None:
    make(target)
    touch(RUN)
    touch(DEV)
    asked, printed = make(target)
    assert (asked, printed) == ([START] if target == "run" else [], "")


def test_a_changed_lock_makes_a_new_environment() -> None:
    make("setup")
    lock("2")
    touch(RUN)
    touch(DEV)
    assert make("run")[0] == [*RUN_INSTALLED, START]
    assert make("setup")[0] == [f"install {DEV}"]
    lock("3")
    touch(RUN)
    touch(DEV)
    assert make("setup")[0] == DEV_INSTALLED
    assert make("run")[0] == [START]


def test_a_lock_that_changed_for_tests_alone_leaves_nothing_behind() -> None:
    make("setup")
    Path(DEV).write_text("one==1\nthree==1\n")
    touch(DEV)
    assert make("run")[0] == [START]
    assert make("setup")[0] == DEV_INSTALLED


@pytest.mark.parametrize("before", [[], ["run"], ["setup"]])
@pytest.mark.parametrize("interrupted", ["run", "setup"])
def test_an_interrupted_build_starts_anew(before: list[str], interrupted: str) -> None:
    for target in before:
        make(target)
        lock("2")
        touch(RUN)
        touch(DEV)
    Path("broken").touch()
    asked, printed = make(interrupted, succeeds=False)
    assert asked == (RUN_INSTALLED if interrupted == "run" else DEV_INSTALLED)
    assert "Installed" not in printed
    Path("broken").unlink()
    assert make("run")[0] == [*RUN_INSTALLED, START]


def test_an_interrupted_addition_starts_anew() -> None:
    make("run")
    Path("broken").touch()
    assert make("setup", succeeds=False)[0] == [f"install {DEV}"]
    Path("broken").unlink()
    assert make("setup")[0] == DEV_INSTALLED


@pytest.mark.parametrize("target", ["run", "setup"])
def test_an_environment_that_is_linked_from_elsewhere_is_left_alone(target: str) -> None:
    make("setup")
    Path(".venv").rename("elsewhere")
    Path(".venv").symlink_to("elsewhere")
    assert make("run", "setup")[0] == [START]
    lock("2")
    touch(RUN)
    touch(DEV)
    assert make(target, succeeds=False) == ([], "")
