"""The kit passes its own suite, and the suite notices a verifier that does not."""

import sys
from pathlib import Path

import pytest

from conformance.suite import Result, Suite

ADAPTER = Path(__file__).parents[1] / "conformance/adapters/kit.py"
SOURCES = Path(__file__).parents[1] / "src"
CREDULOUS = "import sys\nfor line in sys.stdin: print('accepted', flush=True)"
SUSPICIOUS = "import sys\nfor line in sys.stdin: print('refused', flush=True)"


def results(*command: str) -> dict[str, Result]:
    return {result.case: result for result in Suite([sys.executable, *command]).results()}


def test_the_kit_passes_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCES))

    found = results(str(ADAPTER))

    assert [result for result in found.values() if not result.passed] == []
    assert len(found) == 10


def test_a_verifier_that_accepts_everything_fails() -> None:
    failed = {case for case, result in results("-c", CREDULOUS).items() if not result.passed}

    assert "forged tokens are refused" in failed
    assert "a start without the issuer recovers by itself" in failed
    assert "good tokens are accepted" not in failed


def test_a_verifier_that_refuses_everything_fails() -> None:
    failed = {case for case, result in results("-c", SUSPICIOUS).items() if not result.passed}

    assert "good tokens are accepted" in failed
    assert "with a key set of 503, nothing is refused" in failed


def test_a_verifier_that_crashes_fails_at_once() -> None:
    assert not any(
        result.passed
        for result in results("-c", "raise SystemExit(1)").values()
        if "fetches" not in result.case
    )
