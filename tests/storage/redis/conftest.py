"""On a busy machine an answer of Redis may take longer than the service waits; these tests wait longer."""

from functools import partial

import pytest

from app.storage.redis import revocations
from app.storage.redis.client import open_client

TIMEOUT = 0.5
"""Ten times what the service allows. A frozen server costs this once for each question that finds out."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = partial(open_client, timeout=TIMEOUT, longest=5 * TIMEOUT)
    monkeypatch.setattr(revocations, "open_client", patient)
