"""The lists that decide the order and the measuring of the tests name files that exist."""

from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture
def conftest(pytestconfig: pytest.Config) -> Any:
    return pytestconfig.pluginmanager.get_plugin(str(TESTS / "conftest.py"))


def test_every_file_that_begins_early_exists_and_is_named_once(conftest: Any) -> None:
    assert [name for name in conftest.LONGEST if not (TESTS / f"{name}.py").is_file()] == []
    assert len(set(conftest.LONGEST)) == len(conftest.LONGEST)


def test_everything_that_is_measured_exists(conftest: Any) -> None:
    assert [name for name in conftest.MEASURED if not list(TESTS.glob(f"{name}*"))] == []
