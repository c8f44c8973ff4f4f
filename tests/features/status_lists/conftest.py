"""The service's parts in this process, with its status lists and a clock that tests move."""

import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest

from app.features.status_lists.http import StatusListCases
from app.features.status_lists.services import StatusLists
from app.services.open_session import TokenPair
from app.settings import Settings
from app.wiring import Service
from app.wiring.status_lists import status_lists
from tests.support.database import CLOCK, Sql, limited
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, sign_in
from tests.support.tokens import unb64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token says that its session stands."""

    number: int
    place: int


@dataclass(frozen=True, slots=True)
class Parts:
    """A service in this process, and its lists."""

    service: Service
    lists: StatusLists
    sql: Sql

    async def signed_in(self) -> TokenPair:
        person = await new_person(self.sql, password_hash=CHEAP_HASH)
        return await sign_in(self.service, person)

    async def payload(self, number: int = 0) -> dict[str, Any]:
        found = await self.lists.published(number)
        assert found is not None
        return unverified(found.document)

    async def is_revoked(self, pair: TokenPair) -> bool:
        """What a verifier reads in the list that the token names."""
        at = place_of(pair)
        found = zlib.decompress(unb64((await self.payload(at.number))["status_list"]["lst"]))
        return bool(found[at.place >> 3] >> (at.place & 7) & 1)


def unverified(token: str | bytes) -> dict[str, Any]:
    """The payload of a token, whose signature is not checked."""
    payload: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return payload


def place_of(pair: TokenPair) -> Place:
    named = unverified(pair.access_token.text)["status"]["status_list"]
    return Place(int(named["uri"].rpartition("/")[2]), named["idx"])


def later(duration: timedelta) -> None:
    CLOCK.ahead += duration


@pytest.fixture
async def parts(migrated: object, environment: dict[str, str], sql: Sql) -> AsyncIterator[Parts]:
    async with limited(environment) as service:
        names = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
        feature = status_lists(service.core, Settings.model_validate(names))
        assert feature is not None
        (cases,) = feature.cases
        assert isinstance(cases, StatusListCases)
        yield Parts(service, cases.lists, sql)
