"""The service's parts in this process, so a test can replace one of them."""

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings, load
from app.wiring import Service, open_service
from tests.support.database import limited


@pytest.fixture
async def parts(
    migrated: object, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """On this worker's servers, with the keys loaded."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with open_service(load(Settings)) as service:
        await service.keys.load()
        yield service


@pytest.fixture
async def strict(migrated: object, environment: dict[str, str]) -> AsyncIterator[Service]:
    """With small limits, and no failures counted."""
    async with limited(environment) as service:
        yield service
