"""One line in the log for each request."""

from http import HTTPStatus

import structlog

from app.http.front.incoming import Incoming
from app.http.tracing import trace_context

CLIENT_CLOSED_REQUEST = 499
"""A status that is logged and never sent: the client closed the connection during its request."""


class RequestLog:
    """Logs each request, except a successful request of the ``quiet`` routes.

    The route that answered is logged. The path and the query are not: a client may have put a token there.
    """

    def __init__(self, quiet: frozenset[str] = frozenset()) -> None:
        self._quiet = quiet
        # What get_logger returns looks up its configuration at every line.
        self._log = structlog.get_logger().bind()

    def begin(self, request: Incoming) -> None:
        """Give every line of this request its id, and the ids of the caller's trace if it is in one."""
        # A pipelined request begins within the one before it, whose trace is not its own.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request.id, **trace_context(request.headers))

    def end(self, request: Incoming, status: int, seconds: float) -> None:
        """Log the request."""
        route = request.route
        if route not in self._quiet or status != HTTPStatus.OK:
            self._log.info(
                "http.request",
                method=request.scope["method"],
                route=route,
                status=status,
                milliseconds=round(seconds * 1000, 2),
                address=request.address,
            )
        structlog.contextvars.clear_contextvars()

    def disconnected(self, request: Incoming, code: int, seconds: float) -> None:
        """Log a WebSocket that was closed with this code, or refused with this status."""
        self._log.info(
            "http.websocket_closed",
            code=code,
            milliseconds=round(seconds * 1000, 2),
            address=request.address,
        )
        structlog.contextvars.clear_contextvars()
