"""The server's HTTP protocol, with limits on time, on memory and on what is accepted as a request.

While no response is being made, a timer runs on every connection: for the next request, or for the client to
read the last response. The application also answers requests that are refused here, so that every error is a
problem. ``app.http.front.limits`` finds the status in the scope.
"""

import asyncio
from asyncio import TimerHandle
from http import HTTPStatus
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.http.heads import FAILURE, HEADER_OVERHEAD, MAX_HEADERS
from app.server.responses import Application, OneWrite
from app.server.websockets import Upgradable

HEAD_TIMEOUT = 10.0
"""Seconds from the first byte of a head, or from the connection, to the end of the head."""
ANSWER_TIMEOUT = 30.0
"""Seconds after which the response for a client that does not read is dropped."""
LONGEST_HEAD = 64 * 1024
"""Bytes of one request outside its body: the head, trailers and the sizes of chunks."""
MOST_PIPELINED = 16
"""Pipelined requests that may wait on a connection. Browsers and proxies send none."""


class BoundedProtocol(Upgradable):
    """Refuses malformed requests, closes silent connections, and keeps little of a request that is too large.

    Headers beyond ``MAX_HEADERS`` are not kept. Their request is refused once its head has ended.
    """

    _in_head = _in_body = False
    _size_outside_body = _headers_size = _body_in_read = 0
    _response_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        """Start the timer for the first head, unless it is one connection too many."""
        super().connection_made(transport)
        host, _ = self.client or ("", 0)
        self._counted_as = self._open_connections.admit(host)
        if self._counted_as is None:
            self._ignores_input = True
            self.transport.abort()
        else:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._stop_request_timer()
        self._stop_response_timer()
        if self._counted_as is not None:
            self._open_connections.release(self._counted_as)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, unless the connection is ending."""
        self._unset_keepalive_if_required()
        if self._ignores_input:
            return
        self._body_in_read = 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._upgrades:
                self.handle_websocket_upgrade()
                return
            # The upgrade is ignored (RFC 9110 section 7.8). The bytes that follow may be another protocol.
            self._ignores_input, self.cycle.keep_alive = True, False
            return
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._in_head or self._in_body:
            self._size_outside_body += len(data)
            if self._size_outside_body > LONGEST_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
        if self._in_head or self._is_idle():
            self._await_request()

    def on_message_begin(self) -> None:
        """A head begins, perhaps in the middle of a read. Its timer replaces that for the next request."""
        self._stop_request_timer()
        self._in_head = True
        self._size_outside_body, self._headers_size = -self._body_in_read, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. Trailers are ignored (RFC 9110 section 6.5.1)."""
        if not self._in_head:
            return
        size = self._headers_size + len(name) + len(value) + HEADER_OVERHEAD
        if size <= MAX_HEADERS:
            self._headers_size = size
            super().on_header(name, value)
        else:
            self._mark(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head has ended. An exception raised here makes it a bad request."""
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests at once")
        if not self._names_its_host():
            raise ValueError("no host, or several")
        super().on_headers_complete()
        if self._upgrades:
            return
        if self._open_connections.closes_kept:
            self.cycle.keep_alive = False
        self._in_head, self._in_body = False, True
        self._stop_request_timer()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Application) -> None:
        super()._start_asgi_task(cycle, OneWrite(app, cycle))

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size_outside_body -= len(body)
        self._body_in_read += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has ended, unless it was refused."""
        if self._in_body:
            self._in_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A response was written. The client still has to read the last one of a connection."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_response_timer()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self._close()

    def let_go(self) -> None:
        """Make the response that has not begun, or else the next one, the last one."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle and not cycle.response_started:
            cycle.keep_alive = False

    def shutdown(self) -> None:
        """The server ends. A request of which a part has come is answered first."""
        if not self._in_head:
            super().shutdown()

    def _names_its_host(self) -> bool:
        """Whether it has one Host, which only HTTP/1.1 asks for (RFC 9112 section 3.2)."""
        if "extensions" in self.scope:
            return True  # It is refused already, and its Host may be among the headers that were not kept.
        hosts = [name for name, _ in self.headers if name == b"host"]
        return len(hosts) == 1 or (not hosts and self.parser.get_http_version() != "1.1")

    def _await_request(self) -> None:
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(HEAD_TIMEOUT, self._request_timed_out)

    def _request_timed_out(self) -> None:
        self._request_timer = None
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._close()

    def _await_reader(self) -> None:
        if self._response_timer is None:
            self._response_timer = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)

    def _stop_response_timer(self) -> None:
        if self._response_timer is not None:
            self._response_timer.cancel()
            self._response_timer = None

    def _close(self) -> None:
        self._ignores_input = True
        self.transport.close()
        self._await_reader()

    def _mark(self, status: HTTPStatus) -> None:
        self.scope["extensions"] = {FAILURE: {"status": status}}

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer the last request with a problem, after the responses before it, and close."""
        self._ignores_input = True
        self._stop_request_timer()
        idle = self._is_idle()
        if self._in_body:
            # The head was accepted. Its request is being served, waits in the pipeline, or has been answered.
            if idle:
                self._close()
                return
            if self.cycle.response_started:
                self.cycle.keep_alive = False
                return
            if self.pipeline:
                self.pipeline.popleft()
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                idle = True
        self._in_head = self._in_body = False
        super().on_message_begin()
        self.scope["method"], self.scope["path"] = "", "/"
        self.scope["raw_path"], self.scope["query_string"] = b"/", b""
        self._mark(status)
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        if idle:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))
