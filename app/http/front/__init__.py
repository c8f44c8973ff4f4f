"""The front: what is done for every request, in one pass, around the route that answers it.

Each concern is a file of this package. ``Front`` says in which order they come.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from types import MappingProxyType
from typing import NamedTuple

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from app.http.front.cors import Cors, RawHeaders
from app.http.front.incoming import HEAD, INCOMING, Incoming
from app.http.front.limits import refused_unread
from app.http.front.login_queue import LoginQueue
from app.http.front.request_log import CLIENT_CLOSED_REQUEST, RequestLog
from app.http.streams import Streamed

Answerer = Callable[[Incoming], Awaitable[Response]]
"""Answers a request, also with a refusal. Raises ClientDisconnect, and the error when the service fails."""

ANY = "*"
"""In place of a method: every method, at this path of one segment and at all paths below it."""

Socket = Callable[[Incoming, Receive, Send], Awaitable[int]]
"""Serves a WebSocket, and returns the code with which it was closed, or the status that refused it."""
FAILED = 1011
"""The code of a WebSocket whose server failed (RFC 6455 section 7.4.1)."""

_log = structlog.get_logger()


class Endpoint(NamedTuple):
    """A route that is found by its method and path alone."""

    path: str
    answer: Answerer


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules for every request.

    All routes are also served below ``root_path``. ``security`` are the security headers of every response.
    """

    cors: Cors
    logins: LoginQueue
    log: RequestLog
    security: RawHeaders
    root_path: str = ""


class Outgoing:
    """The way to the server, on which every response gets the headers that all responses have."""

    __slots__ = ("_headers", "_send", "cors", "status")

    def __init__(self, send: Send, headers: RawHeaders) -> None:
        self.status = 0
        """The status of the response, or 0 until it begins."""
        self.cors: RawHeaders = ()
        self._send = send
        self._headers = headers

    async def respond(self, response: Response) -> None:
        """Send a whole response; no route has work to do after it."""
        status, headers = response.status_code, response.raw_headers
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body})

    async def send(self, message: Message) -> None:
        """Send a message of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self.cors, *self._headers]
        await self._send(message)


class Front:
    """Serves every request: ``endpoints`` answer at their method and path, and ``app`` at all others.

    ``app`` has the same ones, but for those of ``ANY`` method. What is found here is spared the work of the
    framework.
    """

    def __init__(
        self,
        app: ASGIApp,
        endpoints: Mapping[tuple[str, str], Endpoint],
        rules: Rules,
        sockets: Mapping[str, Socket] = MappingProxyType({}),
    ) -> None:
        self.endpoints = endpoints
        self._sockets = sockets
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await self._connect(self._below_root(scope), receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rules = self._rules
        scope = self._routed(scope)
        incoming = Incoming(scope, receive)
        outgoing = Outgoing(send, ((b"x-request-id", incoming.id.encode()), *rules.security))
        began = perf_counter()
        rules.log.begin(incoming)
        try:
            await self._serve(incoming, outgoing)
            outgoing.status = outgoing.status or CLIENT_CLOSED_REQUEST
        finally:
            rules.log.end(incoming, outgoing.status, perf_counter() - began)

    def _routed(self, scope: Scope) -> Scope:
        """The request as it is routed.

        HEAD is GET, for which the server leaves out the body (RFC 9110 section 9.3.2). A path below the root
        path loses it. A path outside is served as it is: probes ask the process itself, and the metadata of
        an issuer with a path is outside of that path (RFC 8414 section 3.1).
        """
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", HEAD: True}
        return self._below_root(scope)

    def _below_root(self, scope: Scope) -> Scope:
        root_path = self._rules.root_path
        if root_path and f"{scope['path']}/".startswith(f"{root_path}/"):
            scope = {**scope, "path": scope["path"].removeprefix(root_path) or "/"}
        return scope

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket."""
        rules, socket = self._rules, self._sockets.get(scope["path"])
        incoming, began, code = Incoming(scope, receive), perf_counter(), FAILED
        rules.log.begin(incoming)
        try:
            if socket is None:
                await send({"type": "websocket.close"})
                code = HTTPStatus.FORBIDDEN.value
            else:
                code = await socket(incoming, receive, send)
        except Exception:  # noqa: BLE001 - logged here as every failure of a request
            _log.exception("http.unhandled")
            with suppress(Exception):  # The client may have gone, or was refused already.
                await send({"type": "websocket.close", "code": FAILED})
        finally:
            rules.log.disconnected(incoming, code, perf_counter() - began)

    async def _serve(self, incoming: Incoming, outgoing: Outgoing) -> None:
        """Answer, also where the service fails, unless an answer has begun."""
        place = incoming.scope["method"], incoming.scope["path"]
        if place in self._rules.logins.routes:
            await self._rules.logins.turn()
        try:
            endpoint = self.endpoints.get(place) or self._of_any_method(place[1])
            response = self._unrouted(incoming, outgoing, endpoint)
            if response is None:
                if endpoint is None:
                    await self._ask_framework(incoming, outgoing)
                    return
                incoming.scope["route"] = endpoint
                response = await endpoint.answer(incoming)
            if isinstance(response, Streamed):
                await response(incoming.scope, incoming.receive, outgoing.send)
            else:
                await outgoing.respond(response)
        except ClientDisconnect:
            pass  # The client is gone, and the service has not failed.
        except Exception:  # noqa: BLE001 - the client gets an answer to every failure
            _log.exception("http.unhandled")
            if not outgoing.status:
                await outgoing.respond(problems.failed(HTTPStatus.INTERNAL_SERVER_ERROR))

    def _unrouted(self, incoming: Incoming, outgoing: Outgoing, endpoint: Endpoint | None) -> Response | None:
        """The response to a preflight, or to a request that the server refused; None for all others."""
        cors, path = self._rules.cors, incoming.scope["path"]
        # An endpoint of any method answers the preflights that a proxy forwards, as everything else.
        if endpoint is None and incoming.scope["method"] == "OPTIONS":
            preflight = cors.preflight(path, incoming.headers)
            if preflight is not None:
                return preflight
        # From here on, so that pages of allowed origins can read every error.
        outgoing.cors = cors.headers(path, incoming.headers)
        refused = refused_unread(incoming.scope)
        return None if refused is None else problems.failed(refused)

    async def _ask_framework(self, incoming: Incoming, outgoing: Outgoing) -> None:
        scope = incoming.scope
        scope[INCOMING] = incoming
        try:
            await self._app(scope, incoming.receive, outgoing.send)
        finally:
            # The two would hold each other, and wait for a search for garbage.
            del scope[INCOMING]

    def _of_any_method(self, path: str) -> Endpoint | None:
        return self.endpoints.get((ANY, "/" + path[1:].partition("/")[0]))
