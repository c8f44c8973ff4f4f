"""The distribution: what it holds, what it needs, and how large its parts are."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import watchword_verifier

KIT = Path(__file__).parents[1]
SOURCES = sorted((KIT / "src").rglob("*.py"))
EXTRAS = {"fastapi": {"fastapi", "starlette"}, "websocket": {"starlette"}, "flask": {"flask", "werkzeug"}}
EXTRAS["django"] = {"django", "asgiref"}


def project() -> dict[str, Any]:
    section: dict[str, Any] = tomllib.loads((KIT / "pyproject.toml").read_text())["project"]
    return section


def imported(source: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"watchword_verifier"}


def test_each_module_imports_only_what_its_extra_installs() -> None:
    own = {re.split(r"[\[>]", one)[0] for one in project()["dependencies"]} | {"cryptography"}
    distributions = packages_distributions()
    for source in SOURCES:
        needed = {distributions[name][0].lower() for name in imported(source)}
        assert needed <= own | EXTRAS.get(source.stem, set()), source.name


def test_the_wheel_holds_the_package_and_its_types_and_nothing_else(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(line, cwd=KIT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    information = f"watchword_verifier-{watchword_verifier.__version__}.dist-info"

    assert {name for name in names if not name.startswith(information)} == {
        str(path.relative_to(KIT / "src")) for path in [*SOURCES, KIT / "src/watchword_verifier/py.typed"]
    }
    metadata = ZipFile(wheel).read(f"{information}/METADATA").decode()
    assert "Name: watchword-verifier\n" in metadata
    assert "Requires-Dist: pyjwt[crypto]" in metadata
    assert {f"Provides-Extra: {name}" for name in ("django", "fastapi", "flask")} <= set(
        metadata.splitlines()
    )


def test_the_changelog_names_the_version() -> None:
    assert f"## [{watchword_verifier.__version__}]" in (KIT / "CHANGELOG.md").read_text()


def test_files_and_functions_are_easy_to_read() -> None:
    for source in [*SOURCES, *KIT.glob("*/*.py")]:
        text = source.read_text()
        assert len(text.splitlines()) <= 250, source
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, (source, node.name)
