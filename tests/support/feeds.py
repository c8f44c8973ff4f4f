"""Listeners to the revocation feed, as any language writes them: lines over HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2

from tests.support.clients import ServiceClient, new_client, token_of
from tests.support.database import Sql

SCOPE = "revocations:read"


class Heard(NamedTuple):
    """An event, and the id from which the listener would resume after it."""

    name: str
    data: dict[str, Any]
    id: str


class Listening:
    """One connection to the feed."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.lines: list[str] = []
        self._coming = answer.aiter_lines()
        self.id = ""

    async def event(self) -> Heard:
        """The next event; comments are passed over, and StopAsyncIteration is the end."""
        name, data, is_event = "message", "", False
        while True:
            line = await anext(self._coming)
            self.lines.append(line)
            field, _, value = line.partition(": ")
            if field == "id":
                self.id = value
            elif field == "event":
                name = value
            elif field == "data":
                data, is_event = data + value, True
            elif not line and is_event:
                return Heard(name, json.loads(data), self.id)

    async def revoked(self, number: int) -> list[str]:
        """The sessions of the next events, until so many different ones were named."""
        found: dict[str, None] = {}
        while len(found) < number:
            heard = await self.event()
            assert heard.name == "session-revoked", heard
            found[heard.data["sid"]] = None
        return list(found)

    async def rest(self) -> list[Heard]:
        """The events until the other side ends the stream."""
        found = []
        try:
            while True:
                found.append(await self.event())
        except StopAsyncIteration:
            return found


def bearing(token: str, resumes_after: str = "") -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    return headers | ({"Last-Event-ID": resumes_after} if resumes_after else {})


@asynccontextmanager
async def listening(
    client: httpx2.AsyncClient, token: str, resumes_after: str = ""
) -> AsyncIterator[Listening]:
    """A listener whose stream has begun."""
    async with client.stream("GET", "/revocations", headers=bearing(token, resumes_after)) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Listening(answer)


async def listener_token(client: httpx2.AsyncClient, sql: Sql) -> tuple[ServiceClient, str]:
    """A new service client that may listen, and its access token."""
    orders = await new_client(sql, SCOPE)
    return orders, await token_of(client, orders)
