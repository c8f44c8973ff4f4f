from collections.abc import Iterator

import pytest

from app.dev import Servers
from tests.support.servers import Service


@pytest.fixture(scope="module")
def service2(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service as a process, with two workers: as many as a race has sides."""
    with Service(environment, tmp_path_factory.mktemp("service2"), workers=2) as service:
        yield service
