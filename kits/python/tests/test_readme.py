"""What the README shows works as it stands."""

import asyncio
import importlib.util
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest

from conformance.issuer import Issuer
from conformance.minting import Mint, new_key
from testing.verdicts import AUDIENCE

README = (Path(__file__).parents[1] / "README.md").read_text()
Run: TypeAlias = Callable[[str], dict[str, Any]]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def shown(word: str) -> str:
    (block,) = (block for block in BLOCKS if word in block)
    return str(block)


@pytest.fixture
def environment(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHWORD_ISSUER", issuer.url)
    monkeypatch.setenv("WATCHWORD_AUDIENCE", AUDIENCE)


@pytest.fixture
def token(issuer: Issuer) -> str:
    return Mint(issuer.url, AUDIENCE, new_key("one"), time.time).token()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a piece of the page as a module, and gives its names."""

    def loaded(code: str) -> dict[str, Any]:
        file = tmp_path / "shown.py"
        file.write_text(code)
        spec = importlib.util.spec_from_file_location("shown", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "shown", module)
        spec.loader.exec_module(module)
        return vars(module)

    return loaded


def test_the_service_with_fastapi_serves_and_demands(environment: None, token: str, run: Run) -> None:
    names = run(shown("from fastapi import"))

    async def ask() -> list[int]:
        transport = httpx2.ASGITransport(names["app"])
        async with httpx2.AsyncClient(transport=transport, base_url="http://orders") as client:
            headers = {"Authorization": f"Bearer {token}"}
            answers = [
                await client.get("/orders", headers=headers),
                await client.delete("/orders/7", headers=headers),
                await client.get("/orders"),
            ]
            return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [200, 200, 401]
    names["verifier"].close()


def test_the_service_with_flask_serves_and_demands(environment: None, token: str, run: Run) -> None:
    names = run(shown("from flask import"))
    headers = {"Authorization": f"Bearer {token}"}

    with httpx2.Client(transport=httpx2.WSGITransport(names["app"]), base_url="http://orders") as client:
        answers = [
            client.get("/orders", headers=headers),
            client.delete("/orders/7", headers=headers),
            client.get("/orders"),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 401]
    names["signed_in"].verifier.close()


def test_a_verifier_without_a_framework_answers(environment: None, token: str, run: Run) -> None:
    names = run(shown("refusal_of"))

    assert names["answer"]([f"Bearer {token}"])[0] == 200
    assert names["answer"]([])[0] == 401
    names["verifier"].close()


def test_the_settings_that_the_page_lists_are_those_that_are_read() -> None:
    source = (Path(__file__).parents[1] / "src/watchword_verifier/options.py").read_text()
    read = set(re.findall(r'_(?:get|flag)\(environment, "(\w+)"\)', source))

    assert (
        set(re.findall(r"`WATCHWORD_(\w+)`", README.partition("## Settings")[2].partition("`WATCHWORD_X")[0]))
        == read
    )
