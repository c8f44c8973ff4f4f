"""One line in the log for each request."""

import re
from http import HTTPStatus
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.tracing import trace_context
from app.http.visitors import address

CLIENT_CLOSED_REQUEST = 499
"""A status that is logged and never sent: the client closed the connection during its request."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_log = structlog.get_logger()


class RequestLog:
    """Gives each request an id, and logs it, except a successful request of the ``quiet`` routes.

    The route that matched is logged. The path and the query are not: a client may have put a token there.
    A valid ``traceparent`` adds the ids of the caller's trace to every line of the request.
    """

    def __init__(self, app: ASGIApp, *, quiet: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get("x-request-id", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else uuid4().hex
        client = address(scope)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "address": client}
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        began = perf_counter()
        structlog.contextvars.bind_contextvars(request_id=request_id, **trace_context(headers))
        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or CLIENT_CLOSED_REQUEST
        finally:
            route = getattr(scope.get("route"), "path", None)
            if route not in self._quiet or status != HTTPStatus.OK:
                _log.info(
                    "http.request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    milliseconds=round((perf_counter() - began) * 1000, 2),
                    address=client,
                )
            structlog.contextvars.clear_contextvars()
