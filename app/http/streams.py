"""Responses in pieces, which go on for as long as the client stays connected."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Pieces(Protocol):
    """The pieces of a stream, which can be told to end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces until the end."""

    def end(self) -> None:
        """Send no more; called at least once."""


class StreamHead(Response):
    """The head of a stream, which has no length."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]


class Streamed(StreamHead):
    """A stream, which ends with the client's connection, and before the process does."""

    def __init__(self, headers: Mapping[str, str], pieces: Pieces, leaving: asyncio.Event | None) -> None:
        """``leaving`` is set when the process is about to end."""
        super().__init__(headers)
        self._pieces = pieces
        self._leaving = leaving or asyncio.Event()

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces until the end."""
        watching = asyncio.create_task(self._watch(receive))
        try:
            head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(head)
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watching.cancel()
            self._pieces.end()

    async def _watch(self, receive: Receive) -> None:
        """End the stream when the client has gone, or the process is about to."""
        either = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._leaving.wait())]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self._pieces.end()
        finally:
            for task in either:
                task.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
