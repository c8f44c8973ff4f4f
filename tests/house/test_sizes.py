"""No function, constructor or file grows beyond the size that is easy to read."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FILE_LINES = 250
FUNCTION_LINES = 60
PARAMETERS = 6
"""Of a constructor, without ``self``; the fields of a dataclass that acts count as well."""


def oversized(source: str) -> Iterator[str]:
    """Everything in a module that is too large, by name."""
    if (lines := len(source.splitlines())) > FILE_LINES:
        yield f"file: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES:
                    yield f"{node.name}: {lines} lines"
            case ast.ClassDef():
                if (number := parameters(node)) > PARAMETERS:
                    yield f"{node.name}: a constructor of {number} parameters"
            case _:
                pass


def parameters(node: ast.ClassDef) -> int:
    """How many parts a class is constructed from; a record of data may have any number of fields."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            arguments = method.args
            return len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]) - 1
    if not any(isinstance(method, ast.AsyncFunctionDef) and acts(method.name) for method in node.body):
        return 0
    return sum(isinstance(field, ast.AnnAssign) for field in node.body)


def acts(name: str) -> bool:
    """Whether a method of this name does a class's work; entering and leaving a context is none."""
    return name == "__call__" or not name.startswith("__")


def test_nothing_is_oversized() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {what}"
        for folder in ("app", "bench", "migrations")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for what in oversized(path.read_text(encoding="utf-8"))
    }
    assert found == set()


BODY = "    x = 1\n"
SIX_FIELDS = "@dataclass\nclass A:\n    a: X\n    b: X\n    c: X\n    d: X\n    e: X\n    f: X\n"
SEVEN_FIELDS = SIX_FIELDS + "    g: X\n"
ACTS, ENTERS = "    async def __call__(self): ...\n", "    async def __aenter__(self): ...\n"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = 1\n" * 250, []),
        ("x = 1\n" * 251, ["file: 251 lines"]),
        (f"def short():\n{BODY * 59}", []),
        (f"def long():\n{BODY * 60}", ["long: 61 lines"]),
        (f"async def long():\n{BODY * 60}", ["long: 61 lines"]),
        (f"class A:\n    def method(self):\n{('    ' + BODY) * 60}", ["method: 61 lines"]),
        ("class A:\n    def __init__(self, a, b, c, d, e, f): ...", []),
        ("class A:\n    def __init__(self, a, b, c, d, e, f, g): ...", [
            "A: a constructor of 7 parameters"
        ]),
        ("class A:\n    def __init__(self, a, b, c, /, d, *, e, f, g): ...", [
            "A: a constructor of 7 parameters"
        ]),
        (SIX_FIELDS + ACTS, []),
        (SEVEN_FIELDS, []),
        (SEVEN_FIELDS + ENTERS, []),
        (SEVEN_FIELDS + ACTS, ["A: a constructor of 7 parameters"]),
    ],
)  # fmt: skip
def test_what_is_oversized_is_found(source: str, found: list[str]) -> None:
    assert list(oversized(source)) == found
