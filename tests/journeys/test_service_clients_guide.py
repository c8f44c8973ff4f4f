"""What the guide for service clients shows is what happens: its commands and its Python are run."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from os import urandom
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import Person, login
from tests.support.processes import PATIENCE
from tests.support.servers import ISSUER, ROOT, Service, process_environment

PAGE = (ROOT / "docs/guides/service-clients.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str | None]]:
    """The blocks in this language, each with the output that the guide shows for it."""
    found = [*BLOCK.findall(PAGE), ("", "")]
    return [
        (text, output if following in {"json", "text"} else None)
        for (name, text), (following, output) in pairwise(found)
        if name == language
    ]


def as_pattern(output: str) -> str:
    """A value that ends with an ellipsis is another one each time."""
    return r'[^"\s]+'.join(map(re.escape, re.split(r"[\w.:-]*…", output.strip())))


class Guide:
    """The guide's commands, for clients of this run's own at a running service."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._name = f"c{urandom(8).hex()}"
        self.values: dict[str, str] = {}

    def own(self, text: str) -> str:
        """The text with the names and addresses of this run."""
        text = re.sub(r"\borders\b(?![.:]|-1)", self._name, text).replace(
            "https://auth.example.com", self._service.url
        )
        for shown, value in self.values.items():
            text = text.replace(shown, value)
        return text.replace("python -m app", f"{sys.executable} -m app")

    def run(self, commands: str) -> str:
        """What a shell prints for them."""
        done = subprocess.run(
            ["sh", "-ec", self.own(commands)],
            cwd=self._folder,
            env=process_environment(self._service.environment)
            | {"PYTHONPATH": str(ROOT), "no_proxy": "localhost"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def guide(service: Service, tmp_path: Path) -> Guide:
    return Guide(service, tmp_path)


async def test_the_commands_print_what_the_guide_shows(
    guide: Guide, client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    shown = [(text, output) for text, output in blocks("sh") if "--jwks" not in text]
    assert sum(output is not None for _, output in shown) == 5
    said = ""
    for commands, output in shown:
        # Each block is a shell of its own, and these are variables that the guide sets once.
        given = (
            f"ID={guide.values.get('the-id-of-the-client', '')} SECRET={guide.values.get('its-secret', '')}\n"
        )
        given += "TOKEN=any-token\n" if "TOKEN=" not in commands else ""
        said = await asyncio.to_thread(guide.run, given + commands if guide.values else commands)
        if output is not None:
            assert re.fullmatch(as_pattern(guide.own(output)), said, re.DOTALL), (commands, said)
        if not guide.values:
            created, secret = said.splitlines()
            guide.values |= {
                "the-id-of-the-client": created.rpartition(" ")[2],
                "its-secret": secret,
                "any-token": (await login(client, person)).json()["access_token"] + "x",
            }
    kinds = "SELECT kind FROM events WHERE details->>'client_id' = $1 ORDER BY id"
    rows = await sql.fetch(kinds, guide.values["the-id-of-the-client"])
    assert [row["kind"] for row in rows] == ["client.created", "client.rotated", "client.deleted"]


async def test_the_python_of_the_guide_signs_and_gets_tokens(
    guide: Guide, client: httpx2.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "localhost")
    (make, _), (use, _) = blocks("python")
    exec(compile(make, "make.py", "exec"), {})  # noqa: S102 - it is ours
    (create,) = [text for text, _ in blocks("sh") if "--jwks" in text]
    created = await asyncio.to_thread(guide.run, create)
    # The issuer of the tests is elsewhere than the service.
    use = use.replace('"https://auth.example.com"', f'"{ISSUER}"').replace(
        'f"{ISSUER}/token"', f'"{guide.own("https://auth.example.com")}/token"'
    )
    use = use.replace("the-id-of-the-client", created.rpartition(" ")[2])
    namespace: dict[str, Any] = {}
    exec(compile(use, "use.py", "exec"), namespace)  # noqa: S102 - it is ours
    first, second = [await asyncio.to_thread(namespace["token"]) for _ in range(2)]
    assert first != second
    answer = await client.get("/me", headers={"Authorization": f"Bearer {first}"})
    assert answer.json()["code"] == "invalid_token"
    listed = await asyncio.to_thread(guide.run, "python -m app clients show signing-orders --json")
    assert [key["kid"] for key in json.loads(listed)["keys"]] == ["orders-1"]


# Left out only where a tool is missing that the README does not ask for; in CI it has to be there.
if os.environ.get("CI") != "true" and not shutil.which("curl"):
    del test_the_commands_print_what_the_guide_shows
