"""A TypeScript client, generated from the contract by openapi-typescript, has usable names and typed codes.

It is tested wherever npm is, and under ``CI=true`` in any case: there its absence is a failure.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE
from tests.support.verifiers import INTEROP, VERIFIERS

CONTRACT = Path(__file__).parents[2] / "contract/openapi.json"
CONSUMER = (INTEROP / "client/consumer.ts").read_text(encoding="utf-8")

WRONG = {
    "an unknown code": ("case 'session_revoked'", "case 'session_revoke'", "TS2678"),
    "a forgotten code": ("    case 'refresh_token_invalid':\n", "", "TS2322"),
    "a misspelt code": ("'too_many_requests'", "'too_many_request'", "TS2367"),
    "an unknown field": ("session.current", "session.is_current", "TS2551"),
    "a missing field": ("body: { email, password } }", "body: { email } }", "TS2322"),
    "an unknown value": ("client: 'native'", "client: 'desktop'", "TS2322"),
    "a misspelt error of OAuth": ("'insufficient_scope'", "'insufficient_scop'", "TS2367"),
    "a form without its token": ("body: { token },", "body: {},", "TS2322"),
}

pytestmark = pytest.mark.skipif("npm jose" not in VERIFIERS, reason="there is no npm")


def tool(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = INTEROP / "node_modules/.bin" / name
    assert program.exists(), f"run: npm ci --prefix {INTEROP}"
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
    )


@pytest.fixture(scope="module")
def diagnostics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the compiler has against the consumer ("right") and each wrong one, compiled at once."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "node_modules").symlink_to(INTEROP / "node_modules")
    generated = tool("openapi-typescript", str(CONTRACT), "--output", "watchword.d.ts", folder=folder)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    consumers = {"right": CONSUMER}
    for name, (right, wrong, _) in WRONG.items():
        assert right in CONSUMER
        consumers[name] = CONSUMER.replace(right, wrong)
    files = {f"{name.replace(' ', '_')}.ts": name for name in consumers}
    for file, name in files.items():
        (folder / file).write_text(consumers[name], encoding="utf-8")
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"]
    done = tool("tsc", *options, *files, folder=folder)
    found: dict[str, list[str]] = {name: [] for name in consumers}
    for file, diagnostic in re.findall(r"^(\S+)\(\d+,\d+\): error (TS\d+): ", done.stdout, re.MULTILINE):
        found[files[file]].append(diagnostic)
    assert done.stdout.count("error TS") == sum(map(len, found.values())), done.stdout
    return found


def test_a_consumer_of_the_generated_client_compiles(diagnostics: dict[str, list[str]]) -> None:
    assert diagnostics["right"] == []


@pytest.mark.parametrize("name", WRONG)
def test_a_consumer_that_is_wrong_does_not_compile(diagnostics: dict[str, list[str]], name: str) -> None:
    *_, diagnostic = WRONG[name]
    assert diagnostic in diagnostics[name]
