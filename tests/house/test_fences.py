"""The import contracts see every module and every package, and ruff holds what they cannot see."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.servers import ROOT


def test_every_folder_of_modules_is_a_package_that_the_linter_can_see() -> None:
    folders = {source.parent for source in (ROOT / "app").rglob("*.py")}
    unseen = [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()]
    assert unseen == []


def test_the_domain_fence_names_every_package_that_the_service_depends_on() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in config["tool"]["importlinter"]["contracts"]}
    fenced = contracts["domain-standard-library"]["forbidden_modules"]
    imported_as = {"argon2_cffi": "argon2", "libpass": "passlib", "pyjwt": "jwt", "pynacl": "nacl"}
    depended_on = {
        re.split(r"[^\w-]", requirement)[0].replace("-", "_")
        for requirement in config["project"]["dependencies"]
    }
    assert {imported_as.get(name, name) for name in depended_on} <= set(fenced)


@pytest.mark.parametrize(
    ("path", "is_refused"),
    [("app/cli/work.py", True), ("app/main.py", True), ("app/server/protocol.py", False)],
)
def test_the_internals_of_uvicorn_are_imported_in_server_only(path: str, is_refused: bool) -> None:
    """import-linter sees other distributions as a whole, so ruff holds this one."""
    code = b"from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol\n"
    ruff = subprocess.run(
        [Path(sys.executable).with_name("ruff"), "check", "--select=TID251", "--stdin-filename", path, "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        check=False,
    )
    assert ruff.returncode == is_refused, ruff.stdout
