"""The feed's parts in this process: a poller that looks when it is woken, and a clock that tests move."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest

from app.domain.revocations import Kind
from app.domain.visitors import Visitor
from app.features.clients.services.authenticate import SecretCredentials
from app.features.feed.domain import SCOPE
from app.features.feed.http import FeedCases
from app.features.feed.services.listen import Listen, Stream
from app.features.feed.services.listeners import Listeners
from app.features.feed.services.poller import Pace, Poller
from app.settings import Settings
from app.wiring import Service
from app.wiring.feed import feed
from tests.features.clients.conftest import parts_of
from tests.support.clients import ServiceClient, new_client
from tests.support.database import CLOCK, Sql, limited
from tests.support.processes import PATIENCE

HERE = Visitor("192.0.2.1", "tests")
# Without an announcement it looks once in an hour, which is never.
WOKEN = Pace(every=3600, least=0)
REVOKE = """INSERT INTO revocations (id, expires_at, kind, subject, status, reason)
            VALUES ($1, now() + interval '16 minutes', $2, $3, 7, 'logout')"""
"""Revokes the id $1 of the kind $2 on behalf of another process."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A service in this process, and its feed."""

    service: Service
    listen: Listen
    listeners: Listeners
    poller: Poller
    sql: Sql
    environment: dict[str, str]

    async def token(self, *scopes: str) -> str:
        """The access token of a new service client."""
        orders = await new_client(self.sql, *(scopes or (SCOPE,)))
        return await self.token_of(orders)

    async def token_of(self, orders: ServiceClient) -> str:
        secret = SecretCredentials(str(orders.id), orders.secret)
        cases = parts_of(self.service, self.environment).cases
        return (await cases.issue_token(secret, "client_credentials", None, HERE)).text

    async def listens(self, resumes_after: str | None = None, token: str | None = None) -> "Heard":
        return Heard(await self.listen(token or await self.token(), resumes_after))

    async def revoke(self, entry: str, kind: Kind | None = Kind.SESSION) -> str:
        """Revoke an id as another process does, which announces nothing here."""
        await self.sql.execute(REVOKE, entry, kind, uuid4())
        return entry


class Heard:
    """A stream, and what its client makes of it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.id = ""
        self._pieces = aiter(stream)

    async def piece(self) -> str:
        piece = (await anext(self._pieces)).decode()
        for line in piece.splitlines():
            if line.startswith("id: "):
                self.id = line.removeprefix("id: ")
        return piece

    async def names(self) -> list[str]:
        """The names of the events of the next piece, with what they name."""
        lines = (await self.piece()).splitlines()
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        return [
            " ".join(filter(None, (name, each.get("sid") or each.get("kid"))))
            for name, each in zip(names, data, strict=True)
        ]

    async def begun(self, *events: str) -> "Heard":
        """The stream has begun with these events, and is ready."""
        assert await self.piece() == "retry: 2000\n\n"
        for event in events:
            assert await self.names() == [event]
        assert await self.names() == ["ready"]
        return self

    async def over(self) -> None:
        with pytest.raises(StopAsyncIteration):
            await anext(self._pieces)
        self.stream.end()


@pytest.fixture
async def parts(migrated: object, environment: dict[str, str], sql: Sql) -> AsyncIterator[Parts]:
    async with limited(environment) as service:
        names = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
        feature = feed(service.core, Settings.model_validate(names), WOKEN)
        assert feature is not None
        cases = next(cases for cases in feature.cases if isinstance(cases, FeedCases))
        listeners = cases.listen.listeners
        yield Parts(service, cases.listen, listeners, listeners.poller, sql, environment)
        listeners.end()
        for listener in tuple(listeners.all):
            listeners.leave(listener)
        await until(lambda: not listeners.poller.is_running)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until the condition holds; the time only ends a hang."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - tasks of this loop make it true
            await asyncio.sleep(0.001)


def later(duration: timedelta) -> None:
    CLOCK.ahead += duration
