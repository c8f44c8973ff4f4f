"""A TypeScript client, generated from the contract by openapi-typescript, has usable names and typed codes.

It is tested wherever npm is, and under ``CI=true`` in any case: there its absence is a failure.
"""

import subprocess
from pathlib import Path

import pytest

from tests.support.verifiers import INTEROP, VERIFIERS

CONTRACT = Path(__file__).parents[2] / "contract/openapi.json"
CONSUMER = (INTEROP / "client/consumer.ts").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif("npm jose" not in VERIFIERS, reason="there is no npm")


def tool(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = INTEROP / "node_modules/.bin" / name
    assert program.exists(), f"run: npm ci --prefix {INTEROP}"
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated types and the packages that the consumer imports."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "node_modules").symlink_to(INTEROP / "node_modules")
    generated = tool("openapi-typescript", str(CONTRACT), "--output", "watchword.d.ts", folder=folder)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    return folder


def compiled(project: Path, consumer: str) -> subprocess.CompletedProcess[str]:
    (project / "consumer.ts").write_text(consumer, encoding="utf-8")
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"]
    return tool("tsc", *options, "consumer.ts", folder=project)


def test_a_consumer_of_the_generated_client_compiles(project: Path) -> None:
    done = compiled(project, CONSUMER)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong", "diagnostic"),
    [
        ("case 'session_revoked'", "case 'session_revoke'", "TS2678"),
        ("    case 'refresh_token_invalid':\n", "", "TS2322"),
        ("'too_many_requests'", "'too_many_request'", "TS2367"),
        ("session.current", "session.is_current", "TS2551"),
        ("body: { email, password } }", "body: { email } }", "TS2322"),
        ("client: 'native'", "client: 'desktop'", "TS2322"),
    ],
    ids=[
        "an unknown code",
        "a forgotten code",
        "a misspelt code",
        "an unknown field",
        "a missing field",
        "an unknown value",
    ],
)
def test_a_consumer_that_is_wrong_does_not_compile(
    project: Path, right: str, wrong: str, diagnostic: str
) -> None:
    assert right in CONSUMER
    done = compiled(project, CONSUMER.replace(right, wrong))
    assert done.returncode != 0
    assert f"error {diagnostic}:" in done.stdout
