"""The benchmark runs against the real service, and says what it has to."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bench.budgets import OPERATIONS, Operation
from bench.client import Answer, read
from bench.flame.__main__ import working
from bench.flame.parts import shares
from bench.flame.svg import picture
from bench.report import Row, table
from bench.rounds import Measured, ratio
from bench.systems import Cpu
from tests.support.servers import ROOT, process_environment

MEMBERS = {"rps", "p50_ms", "p99_ms", "cpu_us", "floor_us", "ratio"}
BUDGETED = {
    *("refresh", "refresh_es256", "login", "login_without_hash", "logout", "logout_bearer"),
    *("jwks", "jwks_304", "me"),
}


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A moment of each operation. No budget is met in it, because nothing has warmed up."""
    folder = tmp_path_factory.mktemp("results")
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--results", folder],
        cwd=ROOT,
        env=process_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done, folder


def test_the_benchmark_writes_every_figure(
    quick_run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = quick_run
    assert done.returncode in {0, 1}, done.stderr
    latest = orjson.loads((folder / "latest.json").read_bytes())
    assert latest.keys() >= BUDGETED
    for figures in latest.values():
        assert figures.keys() >= MEMBERS
        assert all(figures[member] > 0 for member in MEMBERS)


def test_the_exit_status_says_whether_a_budget_was_missed(
    quick_run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = quick_run
    latest = orjson.loads((folder / "latest.json").read_bytes())
    missed = [name for name, each in latest.items() if each["budget"] and each["ratio"] > each["budget"]]
    last = done.stdout.splitlines()[-1]
    assert done.returncode == bool(missed)
    assert last == (
        f"Over the budget: {', '.join(missed)}" if missed else "Every operation is within its budget."
    )


def measured(*totals: float) -> Measured:
    return Measured([100.0], [Cpu(total - 2, 1, 1) for total in totals], [1.0, 2.0, 3.0])


def test_a_ratio_is_taken_within_each_round_and_so_a_machine_that_slows_down_does_not_change_it() -> None:
    assert ratio(measured(50, 100, 400), measured(100, 200, 800)) == (0.5, 0.5, 0.5)


def test_a_missed_budget_is_named_in_the_table() -> None:
    operation = Operation("refresh", "service", 8, 0.9)
    within = Row(operation, measured(90), measured(100), measured(80))
    over = Row(operation, measured(91), measured(100), measured(80))
    assert (within.is_within_budget, over.is_within_budget) == (True, False)
    assert [line.endswith("MISSED") for line in table([within, over]).splitlines()[2:]] == [False, True]


def test_every_operation_with_a_budget_is_measured() -> None:
    assert {each.name for each in OPERATIONS if each.budget is not None} == BUDGETED


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: y"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("received", "answer"),
    [
        (HEAD, None),
        (HEAD + b"\r\n\r\nhell", None),
        (HEAD + b"\r\n\r\nhello", Answer(200, HEAD, b"hello")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, b"HTTP/1.1 204 No Content", b"")),
        (CHUNKED + b"\r\n\r\n5\r\nhello\r\n0\r\n", None),
        (CHUNKED + b"\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", Answer(200, CHUNKED, b"hello!")),
    ],
)
def test_the_client_of_the_benchmark_reads_whole_answers(received: bytes, answer: Answer | None) -> None:
    assert read(received) == answer


PROFILE = """\
main (x.py:1);Runner.run (asyncio/runners.py:86);run_asgi (u.py:2);sign (app/crypto/access_tokens.py:9) 30
main (x.py:1);Runner.run (asyncio/runners.py:86);run_asgi (u.py:2);me<T> (app/http/accounts.py:4) 10
main (x.py:1);Runner.run (asyncio/runners.py:86) 60
run (threading.py:1);listen (app/server/orders.py:3);select (selectors.py:415) 500
"""


def test_a_flame_graph_is_drawn_of_the_threads_that_work() -> None:
    stacks = working(PROFILE)
    assert sum(stacks.values()) == 100
    assert {stack[0] for stack in stacks} == {"Runner.run (asyncio/runners.py)"}
    drawn = picture(stacks, "a title")
    assert "<title>sign (app/crypto/access_tokens.py): 30.0%</title>" in drawn
    assert "<title>me&lt;T&gt; (app/http/accounts.py): 10.0%</title>" in drawn


def test_each_stack_belongs_to_one_part() -> None:
    assert shares(working(PROFILE)) == [
        ("uvloop: system calls and callbacks of sockets", 0.6),
        ("the signature of the access token", 0.3),
        ("the rest of our code", 0.1),
    ]
