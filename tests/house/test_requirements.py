"""Each requirement in ``docs/requirements.md`` has a marked test, and each marked test its requirement."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.servers import ROOT

# A planned requirement has its code in plain letters.
REQUIREMENTS = re.findall(
    r"^- \*\*([A-Z]\d+)\*\* ", (ROOT / "docs/requirements.md").read_text(), re.MULTILINE
)
CODE = re.compile(rf"\b[{''.join(sorted({code[0] for code in REQUIREMENTS}))}]\d{{1,2}}\b")
TREES = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "tests").rglob("*.py"))}


def marked(tree: ast.Module) -> Iterator[str]:
    """The codes of ``pytest.mark.requirement``, on a test, a class or a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.requirement":
            yield from (ast.literal_eval(code) for code in node.args)


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def test_each_requirement_is_listed_once() -> None:
    assert REQUIREMENTS
    assert len(REQUIREMENTS) == len(set(REQUIREMENTS))


def test_each_requirement_has_a_test_and_each_marked_test_has_its_requirement() -> None:
    codes = {code for tree in TREES.values() for code in marked(tree)}
    assert codes == set(REQUIREMENTS)


def test_each_code_in_a_docstring_of_a_test_is_that_of_a_requirement() -> None:
    texts = [text for tree in TREES.values() for text in docstrings(tree)]
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
