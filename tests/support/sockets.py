"""Clients of the WebSocket at /events, with the package ``websockets``."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.servers import Service

HEAD = (
    "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def opened(service: Service, path: str = "/events", **kwargs: Any) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{service.port}{path}"
    async with connect(url, proxy=None, **kwargs) as socket:
        yield socket


async def say(socket: ClientConnection, token: str) -> None:
    await socket.send(json.dumps({"type": "authenticate", "access_token": token}))


async def heard(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def code(socket: ClientConnection) -> int | None:
    """The code with which the service closes, after which nothing comes."""
    with pytest.raises(ConnectionClosed) as closed:
        await socket.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None
