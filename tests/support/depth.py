"""How deep a test goes: quickly in `make test`, thoroughly in `make test-slow`."""

from typing import TypeVar

import pytest

T = TypeVar("T")


def depth(quick: T, deep: T) -> list[T | object]:
    """The values of a parameter that says how long or how often."""
    return [quick, pytest.param(deep, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])]
