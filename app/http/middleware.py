"""What surrounds every request: limits on what comes in, headers on what goes out, one line in the log."""

import asyncio
import re
from http import HTTPStatus
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.refusals import Refusal, Refused
from app.http import problems
from app.http.visitors import address

MAX_BODY = 16 * 1024
MAX_HEADERS = 16 * 1024
BODY_TIMEOUT = 10.0
FAILURE = "watchword.failure"
"""The extension of a scope that says: this is no request, and has this status."""
CLIENT_CLOSED_REQUEST = 499
"""Logged, never sent: the client went away in the middle of its request."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_log = structlog.get_logger()


class RequestLog:
    """Gives each request an id, logs it, and turns what nobody handled into a problem.

    Neither path nor query is logged as it came, only the route that matched: a client may have put
    a token there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else uuid4().hex
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        began = perf_counter()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            # Nobody is there to be answered, and it is no failure of ours.
            status = status or CLIENT_CLOSED_REQUEST
        except Exception:  # noqa: BLE001 - the last resort of every request
            _log.exception("http.unhandled")
            if status == 0:
                await problems.failed(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send_with_id)
        finally:
            route = scope.get("route")
            _log.info(
                "http.request",
                method=scope["method"],
                route=getattr(route, "path", None),
                status=status,
                milliseconds=round((perf_counter() - began) * 1000, 2),
                address=address(scope),
            )
            structlog.contextvars.clear_contextvars()


class LoginsInTurn:
    """Lets one login begin in a turn of the event loop, so that others wait for a few and not for a burst.

    Most of a burst is refused without ever having to wait for anything, and so would be answered in one go.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, a login in its turn."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/login"):
            is_first = not self._turn.locked()
            async with self._turn:
                # Whoever waited was woken by the one before, and comes a turn after it as it is.
                if is_first:
                    await asyncio.sleep(0)
        await self._app(scope, receive, send)


class HeadAsGet:
    """Answers HEAD as GET; the server leaves out the body (RFC 9110 section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Sets on every answer the headers that tell a browser to be careful with it."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        ]
        if https:
            self._headers.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def size_of(name: bytes, value: bytes) -> int:
    """What a header counts for, as in HTTP/2, so that many short ones add up (RFC 9113 section 6.5.2)."""
    return len(name) + len(value) + 32


class RequestLimits:
    """Caps headers and body, and the time that a body may take to arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (refused := _refused_unread(scope)) is not None:
            await problems.failed(refused)(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT
        received, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal received, complete
            try:
                async with asyncio.timeout_at(None if complete else deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received > MAX_BODY:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self._app(scope, receive_limited, send)


def _refused_unread(scope: Scope) -> HTTPStatus | None:
    if FAILURE in scope.get("extensions", ()):
        return HTTPStatus(scope["extensions"][FAILURE]["status"])
    too_large = sum(size_of(*header) for header in scope["headers"]) > MAX_HEADERS
    return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else None


class _PublicCors(CORSMiddleware):
    """The same headers for everybody, with an Origin or without, so that one cached answer serves all."""

    async def send(
        self,
        message: Message,
        send: Send,
        request_headers: Headers,  # noqa: ARG002 - which the headers do not depend on here
    ) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(self.simple_headers)
        await send(message)


class Cors(CORSMiddleware):
    """Starlette's CORS with an exact allow-list, and a problem where it refuses a preflight.

    What is published under ``/.well-known/`` is for every page, without credentials.
    """

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        super().__init__(
            app,
            allow_origins=sorted(origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=[
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "WWW-Authenticate",
                "X-Request-ID",
            ],
            max_age=600,
        )
        self._public = _PublicCors(
            app, allow_origins=["*"], allow_headers=["*"], expose_headers=["ETag"], max_age=600
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith("/.well-known/"):
            await self._public(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight (Fetch section 3.2.2)."""
        response = super().preflight_response(request_headers)
        if response.status_code == HTTPStatus.OK:
            return response
        return problems.refused(Refused(Refusal.CROSS_SITE_REQUEST))
