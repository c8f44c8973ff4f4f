"""Each requirement in ``docs/requirements.md`` has a marked test, and each marked test its requirement."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.servers import ROOT

# A planned requirement has its code in plain letters.
REQUIREMENTS = re.findall(
    r"^- \*\*([A-Z]\d+)\*\* ", (ROOT / "docs/requirements.md").read_text(), re.MULTILINE
)
CODE = re.compile(rf"\b[{''.join(sorted({code[0] for code in REQUIREMENTS}))}]\d{{1,2}}\b")


def marked(tree: ast.Module) -> Iterator[str]:
    """The codes of ``pytest.mark.requirement``, on a test, a class or a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            codes = node.args if node.func.attr == "requirement" else []
            yield from map(ast.literal_eval, codes)


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


@cache
def found() -> tuple[frozenset[str], tuple[str, ...]]:
    """The codes of all markers and all docstrings. A tree is forgotten once it is read, for it is large."""
    codes: set[str] = set()
    texts: list[str] = []
    for path in (ROOT / "tests").rglob("*.py"):
        tree = ast.parse(path.read_text())
        codes.update(marked(tree))
        texts += docstrings(tree)
    return frozenset(codes), tuple(texts)


def test_each_requirement_is_listed_once() -> None:
    assert REQUIREMENTS
    assert len(REQUIREMENTS) == len(set(REQUIREMENTS))


def test_each_requirement_has_a_test_and_each_marked_test_has_its_requirement() -> None:
    codes, _ = found()
    assert codes == set(REQUIREMENTS)


def test_each_code_in_a_docstring_of_a_test_is_that_of_a_requirement() -> None:
    _, texts = found()
    assert {code for text in texts for code in CODE.findall(text)} <= set(REQUIREMENTS)
    # The code stands for itself; its former home is no file of this repository.
    assert not [text for text in texts if "security.md" in text]


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.requirement("R1")\ndef test_it(): ...',
        '@pytest.mark.requirement("R1")\nclass Machine: ...',
        'pytestmark = pytest.mark.requirement("R1")',
        'pytestmark = [pytest.mark.slow, pytest.mark.requirement("R1")]',
    ],
)
def test_a_marker_is_found_wherever_it_may_stand(source: str) -> None:
    assert list(marked(ast.parse(source))) == ["R1"]
