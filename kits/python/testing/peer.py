"""The client's side of a WebSocket, and the application behind it."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from watchword_verifier import Demands, Verifier
from watchword_verifier.websocket import first_message

CLOSE = "websocket.close"


class Peer:
    """The client's side of a socket, and the application behind it."""

    def __init__(self, verifier: Verifier, demands: Demands | None = None, *, busy: bool = False) -> None:
        self.ended_well = self.is_cancelled = False
        self._to_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._to_app.put_nowait({"type": "websocket.connect"})

        async def live(socket: WebSocket) -> None:
            async with first_message(socket, verifier, within=5, at_most=8192, demands=demands) as who:
                await socket.send_text(f"hello {who.subject} {','.join(who.roles)}")
                if busy:
                    await asyncio.Event().wait()
                async for message in who.messages():
                    await socket.send_text(f"echo {message}")
            self.ended_well = True
            task = asyncio.current_task()
            self.is_cancelled = task is None or task.cancelling() > 0

        self._app = Starlette(routes=[WebSocketRoute("/live", live)])

    async def run(self) -> None:
        scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/live",
            "headers": [],
            "query_string": b"",
            "subprotocols": [],
        }
        await self._app(scope, self._to_app.get, self._from_app.put)

    def send(self, text: str | None = None, data: bytes | None = None) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": text, "bytes": data})

    def authenticate(self, token: str) -> None:
        self.send(json.dumps({"type": "authenticate", "access_token": token}))

    def leave(self) -> None:
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def received(self) -> Any:
        """The next text, decoded when it is JSON, or the code that the socket is closed with."""
        message = await self._from_app.get()
        if message["type"] == CLOSE:
            return message["code"]
        text = message["text"]
        return json.loads(text) if text.startswith("{") else text


@asynccontextmanager
async def connected(
    verifier: Verifier, demands: Demands | None = None, *, busy: bool = False
) -> AsyncIterator[Peer]:
    peer = Peer(verifier, demands, busy=busy)
    app = asyncio.create_task(peer.run())
    try:
        assert (await peer._from_app.get())["type"] == "websocket.accept"  # noqa: SLF001 - its own class
        yield peer
    finally:
        peer.leave()
        await app
