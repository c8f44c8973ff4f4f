"""Dependencies are declared, explained and used by their public names."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import ROOT

OURS = {"app", "bench", "examples", "migrations", "tests", "tools"}
# The kit for Python and what its tests share; tests/test_package.py of the kit holds its dependencies.
KIT = {"conformance", "testing", "watchword_verifier"}
# A part of pydantic, which pins one version of it.
PARTS = {"pydantic-core": "pydantic"}


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        section: dict[str, Any] = tomllib.load(file)["project"]
    return section


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements} - {"watchword"}


@cache
def imports(source: str) -> list[str]:
    """What a module imports from elsewhere than this repository and the standard library, by full names."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.partition(".")[0] not in OURS | KIT | sys.stdlib_module_names]


def private(source: str) -> list[str]:
    return [name for name in imports(source) if "._" in f".{name}"]


PEERS = ROOT / "bench/peers/apps"
"""Each of these runs in an environment of its own, which `bench/installs.py` makes."""


def sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "node_modules" not in path.parts and PEERS not in path.parents
    ]


def distributions(*folders: str) -> set[str]:
    """The packages that the modules in these folders import."""
    known = packages_distributions()
    imported = {name.partition(".")[0] for path in sources(*folders) for name in imports(path.read_text())}
    found = {re.sub(r"[_.]", "-", known[name][0]).lower() for name in imported}
    return {PARTS.get(name, name) for name in found}


def test_no_private_module_of_a_library_is_imported() -> None:
    assert {path.name: names for path in sources(*OURS) if (names := private(path.read_text()))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from redis._parsers import AsyncCommandsParser", ["redis._parsers.AsyncCommandsParser"]),
        ("def late():\n    import _pytest.config", ["_pytest.config"]),
        ("from uvicorn.config import _log", ["uvicorn.config._log"]),
        ("import redis.asyncio as _redis", []),
        ("from __future__ import annotations", []),
        ("from app.dev.servers import _running", []),
    ],
)
def test_a_private_import_is_found(source: str, found: list[str]) -> None:
    assert private(source) == found


def test_every_package_that_is_imported_is_declared() -> None:
    service, extras = names(project()["dependencies"]), project()["optional-dependencies"]
    assert distributions("app", "migrations") <= service
    assert distributions(*OURS) <= service | names(extras["embedded"]) | names(extras["dev"])


def test_every_dependency_has_its_line_of_reason_and_no_other_has_one() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    explained = re.findall(r"^\| `([^`/]+)` \|", page, re.MULTILINE)
    extras = project()["optional-dependencies"]
    declared = [names(project()["dependencies"]), names(extras["embedded"]), names(extras["dev"])]
    assert explained == [name for group in declared for name in sorted(group)]


def test_uvicorn_is_pinned_to_a_minor_version() -> None:
    """`app/server` builds on the internals of its HTTP protocol."""
    (pin,) = (name for name in project()["dependencies"] if name.startswith("uvicorn"))
    bounds = re.fullmatch(r"uvicorn>=0\.(\d+),<0\.(\d+)", pin)
    assert bounds
    assert int(bounds[2]) == int(bounds[1]) + 1
