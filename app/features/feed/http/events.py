"""``/events``: a WebSocket that tells a client at once that its session has ended.

The access token comes in the first message. A URL would be logged by proxies, and pages cannot set headers.
"""

import asyncio
from contextlib import suppress
from enum import IntEnum
from typing import Any, NoReturn

import orjson
from starlette.types import Receive, Send

from app.domain.access_tokens import SessionToken
from app.domain.refusals import Refusal, Refused
from app.features.feed.services.watches import Change, Watch, Watches
from app.http import problems
from app.http.front.incoming import Incoming
from app.http.origins import Origins
from app.services.access_tokens import Authenticate

PATH = "/events"
WITHIN = 5.0
"""Seconds until the first message."""
MOST_SOCKETS = 2000
"""Connections of one process, whether they have authenticated or not."""


class Close(IntEnum):
    """The codes with which a connection is closed (RFC 6455 section 7.4, and 4401 of ours)."""

    GONE = 1006
    NOT_TEXT = 1003
    MALFORMED = 1008
    RESTART = 1012
    TRY_AGAIN = 1013
    UNAUTHENTICATED = 4401


class Closed(Exception):
    """Ends a connection with a code."""

    def __init__(self, code: Close) -> None:
        super().__init__(code.name)
        self.code = code


class Events:
    """Serves the connections to ``/events`` of one process."""

    def __init__(
        self, authenticate: Authenticate, watches: Watches, origins: Origins, within: float = WITHIN
    ) -> None:
        self._authenticate = authenticate
        self.watches = watches
        self._origins = origins
        self._within = within
        self._open = 0

    async def __call__(self, request: Incoming, receive: Receive, send: Send) -> int:
        """Serve a connection; returns the status of a refused one, or the code with which it was closed."""
        await receive()  # The client asks for the connection.
        if not self._origins.may_connect(request.headers):
            return await _refuse(send, Refused(Refusal.CROSS_SITE_REQUEST))
        leaving = request.leaving or asyncio.Event()
        if self._open >= MOST_SOCKETS or leaving.is_set():
            return await _refuse(send, Refused(Refusal.OVERLOADED, retry_after=1))
        self._open += 1
        code = Close.GONE
        try:
            with suppress(OSError):  # The server raises it where the client is gone.
                await send({"type": "websocket.accept"})
                code = await self._conversed(Client(receive, send), leaving)
                if code is not Close.GONE:
                    await send({"type": "websocket.close", "code": code.value})
        finally:
            self._open -= 1
        return code.value

    async def _conversed(self, client: "Client", leaving: asyncio.Event) -> Close:
        """The code of a conversation that is over."""
        try:
            await self._converse(client, leaving)
        except Closed as closed:
            return closed.code

    async def _converse(self, client: "Client", leaving: asyncio.Event) -> NoReturn:
        """Authenticate, and watch until the end; raises Closed."""
        text = await self._first(client, leaving)
        token = await self._accepted(text)
        try:
            watch = await self.watches.enter(token)
        except Refused:
            raise Closed(Close.TRY_AGAIN) from None
        try:
            await self._accepted(text)  # The session may have ended before it was watched.
            await client.say(_ready(token))
            await self._watch(client, watch, text, leaving)
        finally:
            self.watches.leave(watch)

    async def _first(self, client: "Client", leaving: asyncio.Event) -> str:
        """The token of the first message; raises Closed when none comes in time."""
        hears, leaves = asyncio.create_task(client.token()), asyncio.create_task(leaving.wait())
        try:
            await asyncio.wait((hears, leaves), timeout=self._within, return_when=asyncio.FIRST_COMPLETED)
            if hears.done():
                return hears.result()
            raise Closed(Close.RESTART if leaves.done() else Close.UNAUTHENTICATED)
        finally:
            await _over(hears, leaves)

    async def _watch(self, client: "Client", watch: Watch, text: str, leaving: asyncio.Event) -> NoReturn:
        hears = asyncio.create_task(client.token())
        changes, leaves = (asyncio.create_task(each) for each in (watch.changed(), leaving.wait()))
        try:
            while True:
                await asyncio.wait((hears, changes, leaves), return_when=asyncio.FIRST_COMPLETED)
                if watch.change is not None:
                    await self._settle(client, watch, text)
                    changes = asyncio.create_task(watch.changed())
                if leaving.is_set():
                    raise Closed(Close.RESTART)
                if hears.done():
                    text = hears.result()
                    watch.token = await self._renewed(text, watch.token)
                    await client.say(_ready(watch.token))
                    hears = asyncio.create_task(client.token())
        finally:
            await _over(hears, changes, leaves)

    async def _settle(self, client: "Client", watch: Watch, text: str) -> None:
        """Act on what has become of the token; return if the connection goes on."""
        match watch.change:
            case Change.SESSION_ENDED:
                await client.say({"type": "session_revoked", "reason": watch.reason})
                raise Closed(Close.UNAUTHENTICATED)
            case Change.EXPIRED:
                raise Closed(Close.UNAUTHENTICATED)
            case Change.POLLER_FAILED:
                raise Closed(Close.TRY_AGAIN)
            case _:
                watch.settle()
                await self._accepted(text)

    async def _renewed(self, text: str, before: SessionToken) -> SessionToken:
        token = await self._accepted(text)
        if token.session_id != before.session_id:
            raise Closed(Close.UNAUTHENTICATED)
        return token

    async def _accepted(self, text: str) -> SessionToken:
        """The token of a session that lives; raises Closed."""
        try:
            token = await self._authenticate(text)
        except Refused as refused:
            is_invalid = refused.refusal is Refusal.INVALID_TOKEN
            raise Closed(Close.UNAUTHENTICATED if is_invalid else Close.TRY_AGAIN) from None
        if not isinstance(token, SessionToken):
            raise Closed(Close.UNAUTHENTICATED)
        return token


class Client:
    """The other end of a connection."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def token(self) -> str:
        """The access token of the next message; raises Closed for any other message."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise Closed(Close.GONE)
        text = message.get("text")
        if text is None:
            raise Closed(Close.NOT_TEXT)
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Closed(Close.MALFORMED) from None
        token = parsed.get("access_token") if isinstance(parsed, dict) else None
        if not isinstance(token, str) or parsed.get("type") != "authenticate":
            raise Closed(Close.MALFORMED)
        return token

    async def say(self, message: dict[str, Any]) -> None:
        """Send a message."""
        await self._send({"type": "websocket.send", "text": orjson.dumps(message).decode()})


async def _over(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ready(token: SessionToken) -> dict[str, Any]:
    return {"type": "ready", "expires_at": int(token.expires_at.timestamp())}


async def _refuse(send: Send, refused: Refused) -> int:
    """Answer with a problem instead of a connection."""
    response = problems.refused(refused)
    head = {"type": "websocket.http.response.start", "status": response.status_code}
    await send({**head, "headers": response.raw_headers})
    await send({"type": "websocket.http.response.body", "body": response.body})
    return response.status_code
