"""Each claim of ``SECURITY.md`` names the tests that hold it."""

import re

import pytest

from tests.support.servers import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
HELD = re.compile(r"Held by (`tests/[\w/]+\.py`(?:, | and )?)+[.,]")


def section(page: str, title: str) -> str:
    """What stands below a heading, up to the next one of its kind."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def guarantees(page: str) -> list[str]:
    """The paragraphs of the guarantees, each of which begins in bold letters."""
    return re.findall(r"^\*\*.+?(?=\n\n|\Z)", section(page, "Guarantees"), re.MULTILINE | re.DOTALL)


def defences(page: str) -> list[str]:
    """The points below each "What stops them", with what is indented below them."""
    lists = re.findall(r"^What stops them:\n\n(.+?)(?=\n\n\w|\n## |\Z)", page, re.MULTILINE | re.DOTALL)
    return [point for one in lists for point in re.split(r"^- ", one, flags=re.MULTILINE)[1:]]


def unheld(page: str) -> list[str]:
    return [claim for claim in guarantees(page) + defences(page) if not HELD.search(claim)]


@pytest.mark.requirement("E13")
def test_every_claim_names_the_tests_that_hold_it() -> None:
    assert unheld(PAGE) == []


def test_all_claims_of_the_page_are_looked_at() -> None:
    assert len(guarantees(PAGE)) == section(PAGE, "Guarantees").count("\n**")
    assert len(re.findall(r"\nWhat stops them:\n\n- ", PAGE)) == PAGE.count("What stops them:")
    below = PAGE.split("What stops them:")[1:]
    points = [re.findall(r"^- ", re.split(r"\nWhat does not:|\n## ", one)[0], re.MULTILINE) for one in below]
    assert len(defences(PAGE)) == sum(map(len, points))


def test_a_claim_without_a_test_is_noticed() -> None:
    page = (
        "# Security\n\n## Guarantees\n\n**Tokens** are good.\nHeld by `tests/http/test_logout.py`.\n\n"
        "**Keys** are better.\n\n## A thief\n\nWhat stops them:\n\n- A lock:\n  - of steel.\n\n"
        "  Held by `tests/http/test_logout.py` and `tests/http/test_cookies.py`.\n- A dog.\n\n"
        "What does not:\n\n- Keys.\n"
    )
    assert unheld(page) == ["**Keys** are better.\n", "A dog."]
