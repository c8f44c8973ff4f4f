"""Lock files name packages and hashes, and nobody's server."""

import re

import pytest

from tests.support.servers import ROOT

LOCKS = ["requirements/dev.txt", "requirements/service.txt", "tests/journeys/interop/package-lock.json"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_no_address(lock: str) -> None:
    assert re.findall(r"[a-z+]+://[^\s\"]*", (ROOT / lock).read_text()) == []


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_an_extra_is_locked_with_its_package(lock: str) -> None:
    """Without it pip may take a newer release for the extra, which no hash then matches."""
    text = (ROOT / lock).read_text()
    assert {"redis[hiredis]", "sqlalchemy[asyncio]"} <= set(
        re.findall(r"^([\w.-]+\[\w+\])==", text, re.MULTILINE)
    )
