"""docs/reference is what the code generates, and the code describes every event that it writes."""

import os
import runpy
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from app.domain.event_meanings import DETAILS, MEANINGS, REASONS
from tests.support.events import FAILURES, HAPPENINGS
from tests.support.servers import ROOT

REFERENCE = ROOT / "docs" / "reference"


def test_the_committed_reference_is_the_one_that_the_code_generates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["reference.py", str(tmp_path)])
    with patch.dict(os.environ, clear=True):
        runpy.run_path(str(ROOT / "tools" / "reference.py"), run_name="__main__")
    generated = {page.name: page.read_text() for page in tmp_path.iterdir()}
    committed = {page.name: page.read_text() for page in REFERENCE.iterdir()}
    assert committed == generated, "run: make reference"


def test_every_reason_and_every_detail_belongs_to_a_kind_of_event() -> None:
    assert {reason for meaning in MEANINGS.values() for reason in meaning.reasons} == set(REASONS)
    assert {detail for meaning in MEANINGS.values() for detail in meaning.details} == set(DETAILS)


def test_events_have_only_the_reasons_and_details_that_their_kind_names() -> None:
    for name, happening in (HAPPENINGS | FAILURES).items():
        meaning = MEANINGS[happening.kind]
        assert set(happening.details) <= set(meaning.details), name
        assert happening.reason is None or happening.reason in meaning.reasons, name
