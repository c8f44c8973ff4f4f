"""The service's parts in this process, with the use cases of service clients."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from app.features.clients.http import ClientCases
from app.features.clients.services.manage import ManageClients
from app.settings import Settings
from app.wiring import Service
from app.wiring.clients import clients
from app.wiring.manage_clients import manage_clients
from tests.support.database import limited
from tests.support.races import inside


@dataclass(frozen=True, slots=True)
class Parts:
    """A service in this process, what its routes call, and what an operator calls."""

    service: Service
    cases: ClientCases
    manage: ManageClients


def parts_of(service: Service, environment: dict[str, str], **changes: str) -> Parts:
    names = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
    feature = clients(service.core, Settings.model_validate(names | changes))
    assert feature is not None
    (cases,) = feature.cases
    assert isinstance(cases, ClientCases)
    return Parts(service, cases, manage_clients(service.core))


@pytest.fixture
async def parts(migrated: object, environment: dict[str, str]) -> AsyncIterator[Parts]:
    async with inside(environment) as service:
        yield parts_of(service, environment)


SMALL = {"login_limit_account": "3/PT1M", "login_limit_address": "6/PT1M", "login_limit_global": "10/PT1M"}


@pytest.fixture
async def strict(migrated: object, environment: dict[str, str]) -> AsyncIterator[Parts]:
    """With small limits, and no failures counted."""
    async with limited(environment, **SMALL) as service:
        yield parts_of(service, environment, **SMALL)
