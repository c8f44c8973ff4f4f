"""What the README shows is what happens: its tour is run as it stands, and its verifiers verify."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import PASSWORD, PASSWORD_HASH, Person, login
from tests.support.processes import PATIENCE
from tests.support.servers import ISSUER, ROOT, Service

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO = "demo@example.com"


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "README.md").read_text())


def tour() -> Iterator[tuple[str, str | None]]:
    """The tour's commands, each with the output that the README shows for it."""
    for (language, text), (following, output) in pairwise([*blocks(), ("", "")]):
        if language == "sh" and "make test" not in text:
            yield text, output if following in {"json", "text"} else None
        elif language == "python":
            return


def as_pattern(output: str) -> str:
    """A value that ends with an ellipsis is another one each time."""
    return '[^"]+'.join(map(re.escape, re.split(r"[\w.:-]*…", output.strip())))


class Shell:
    """One bash for the whole tour, so that its variables live on."""

    END = "--the end of a block--"

    def __init__(self) -> None:
        self._bash = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, commands: str) -> str:
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{commands}\nprintf '\\n%s\\n' '{self.END}'\n")
        self._bash.stdin.flush()
        printed = []
        while (line := self._bash.stdout.readline()) != f"{self.END}\n":
            assert line, "bash has ended"
            printed.append(line)
        return "".join(printed)

    def close(self) -> None:
        self._bash.communicate()


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


async def test_the_tour_prints_what_the_readme_shows(sql: Sql, service: Service, shell: Shell) -> None:
    await sql.execute(
        "INSERT INTO accounts (id, email, password_hash) VALUES (gen_random_uuid(), $1, $2)",
        DEMO,
        PASSWORD_HASH,
    )
    assert shutil.which("curl"), "the tour needs curl"
    shown = list(tour())
    assert sum(output is not None for _, output in shown) == 7
    for commands, output in shown:
        if "sleep 11" in commands:
            await sql.execute(
                "UPDATE sessions SET superseded_at ="
                " ARRAY(SELECT t - interval '11 s' FROM unnest(superseded_at) AS t)"
            )
        here = commands.replace(ISSUER, service.url).replace("sleep 11", ":")
        printed = await asyncio.to_thread(shell.run, here.replace("the one that make run printed", PASSWORD))
        if output is not None:
            assert re.fullmatch(as_pattern(output), printed.strip(), re.DOTALL), (commands, printed)


@pytest.fixture
async def tokens(client: httpx2.AsyncClient, person: Person) -> dict[str, str]:
    """A good access token, and the same with another's claims under its signature."""
    good = (await login(client, person)).json()["access_token"]
    header, payload, signature = good.split(".")
    changed = payload[:-4] + ("AAAA" if payload[-4:] != "AAAA" else "BBBB")
    return {"good": good, "tampered": f"{header}.{changed}.{signature}"}


def sample(language: str, service: Service) -> str:
    """The README's verifier, pointed at the key set of the running service."""
    text = next(text for found, text in blocks() if found == language)
    where = {"python": "{ISSUER}/.well-known", "js": "${issuer}/.well-known"}[language]
    assert where in text
    return text.replace(where, f"{service.url}/.well-known")


async def test_the_python_verifier_takes_the_good_token_only(
    service: Service, person: Person, tokens: dict[str, str]
) -> None:
    namespace: dict[str, Any] = {}
    exec(compile(sample("python", service), "README.md", "exec"), namespace)  # noqa: S102 - it is ours
    verify = namespace["claims"]

    accepted = await asyncio.to_thread(verify, tokens["good"])

    assert accepted["sub"] == str(person.id)
    with pytest.raises(namespace["jwt"].PyJWTError):
        await asyncio.to_thread(verify, tokens["tampered"])


async def test_the_javascript_verifier_takes_the_good_token_only(
    service: Service, person: Person, tokens: dict[str, str]
) -> None:
    interop = ROOT / "tests/journeys/interop"
    program = sample("js", service) + "console.log(JSON.stringify(await claims(process.argv[1])));"

    def run(token: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", "--input-type=module", "--eval", program, token],
            cwd=interop,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    accepted = await asyncio.to_thread(run, tokens["good"])
    refused = await asyncio.to_thread(run, tokens["tampered"])

    assert json.loads(accepted.stdout)["sub"] == str(person.id), accepted.stderr
    assert "JWSSignatureVerificationFailed" in refused.stderr


# Left out only where a tool is missing that the README does not ask for; in CI it has to be there.
if os.environ.get("CI") != "true":
    if not shutil.which("curl"):
        del test_the_tour_prints_what_the_readme_shows
    if not shutil.which("npm"):
        del test_the_javascript_verifier_takes_the_good_token_only
