"""The server's WebSocket protocol, with limits on memory and on clients that do not read.

It extends uvicorn's own, as ``protocol`` does. A message has ``LONGEST_MESSAGE`` bytes at most, nothing is
compressed, and one message at a time is read.
"""

import asyncio
import logging
from asyncio import TimerHandle
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from app.server.connection_limits import Connections

PATH = b"/events"
"""The end of the path at which a WebSocket is opened; a root path may come before it."""
LONGEST_MESSAGE = 8 * 1024
MOST_FRAMES = 16
"""Frames of one message. Those that are empty count for no bytes."""
ANSWER_TIMEOUT = 30.0
"""Seconds after which a connection whose client does not read, or does not close, is dropped."""

_BODY = frozenset({b"content-length", b"transfer-encoding"})
# uvicorn's own lines hold the query, in which a client may have put its token.
_logger = logging.getLogger("watchword.websockets")


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that counts as the connection that it was before."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn declares them
        super().__init__(*args, **kwargs)
        self.logger = _logger
        self.counted_as: str | None = None
        self._server_state = cast("Connections", kwargs["server_state"])
        self._timer: TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection."""
        super().connection_lost(exc)
        self._stop_timer()
        if self.counted_as is not None:
            self._server_state.release(self.counted_as)

    def let_go(self) -> None:
        """The application closes it."""

    def handle_cont(self, event: Frame) -> None:
        """Take a frame of a message."""
        if len(self.frames) >= MOST_FRAMES:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG)
            self.handle_parser_exception()
        else:
            super().handle_cont(event)

    def handle_parser_exception(self) -> None:
        """End a connection that does not keep to the protocol."""
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()
            self._await_client()

    def pause_writing(self) -> None:
        """The client does not read. It gets no more answers to its pings."""
        super().pause_writing()
        self.transport.pause_reading()
        self._await_client()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_timer()
            if not self.read_paused:
                self.transport.resume_reading()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done. The client still has to read what was sent last, and to close."""
        super().on_task_complete(task)
        if self in self.connections:
            self._await_client()

    def keepalive_timeout(self) -> None:
        """The client has not answered a ping."""
        super().keepalive_timeout()
        self._await_client()

    def _await_client(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Upgradable(HttpToolsProtocol):
    """A connection that may become a WebSocket."""

    _ignores_input = _upgrades = False
    _counted_as: str | None = None
    _request_timer: TimerHandle | None = None

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to a WebSocket, which counts as the same connection."""
        self._stop_request_timer()
        self._ignores_input = True
        super().handle_websocket_upgrade()
        socket = cast("BoundedWebSocket", self.transport.get_protocol())
        socket.counted_as, self._counted_as = self._counted_as, None

    @property
    def _open_connections(self) -> Connections:
        return cast("Connections", self.server_state)

    def _should_upgrade(self) -> bool:
        """Whether the head that has come opens a WebSocket (RFC 6455 section 4.1).

        A request with a body, or for another path, is an ordinary one.
        """
        self._upgrades = (
            self.url.partition(b"?")[0].endswith(PATH)
            and (self.parser.get_method(), self.parser.get_http_version()) == (b"GET", "1.1")
            and "extensions" not in self.scope
            and not _BODY & {name for name, _ in self.headers}
            and self._is_idle()
            and super()._should_upgrade()
        )
        return self._upgrades

    def _is_idle(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request.
        return cycle is None or cycle.response_complete

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None
