"""Sessions end in one place, which announces the ids of every session that a store ended."""

import ast
from pathlib import Path

import pytest

from app.domain.revocations import Ended
from tests.support.servers import ROOT

ONLY_PLACE = ROOT / "app/services/end_sessions.py"
ENDING = {
    "end",
    "end_next",
    "end_sessions",
    "disable",
    "delete",
    "set_password",
    "set_roles",
    "change_password",
}


def reads_ids(source: str) -> list[int]:
    """The lines that read the ids of an ``Ended``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr == "unannounced" and isinstance(node.ctx, ast.Load)
    ]


def test_only_end_sessions_reads_the_ids_of_ended_sessions() -> None:
    readers = {path for path in (ROOT / "app").rglob("*.py") if reads_ids(path.read_text())}
    assert readers == {ONLY_PLACE, ROOT / "app/domain/revocations.py"}


def test_the_check_notices_a_reader() -> None:
    assert reads_ids("ended = await store.end(1)\nprint(ended.unannounced)") == [2]


@pytest.mark.parametrize("store", ["accounts", "sessions"])
def test_every_store_method_that_ends_sessions_returns_ended(store: str) -> None:
    tree = ast.parse(Path(ROOT / f"app/storage/postgres/{store}.py").read_text())
    answers = {
        node.name: ast.unparse(node.returns)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name in ENDING and node.returns is not None
    }
    assert answers
    assert {name for name, answer in answers.items() if "Ended" not in answer} == set()


def test_ended_counts_sessions_and_not_tokens() -> None:
    assert Ended.of(["a-session"], ["a-token", "another"]).sessions == 1
    assert Ended().sessions == 0
