"""The server's HTTP protocol, bounded in time, in memory, and in what passes for a request.

While no answer is being made, a clock runs on every connection: for the request that is to come, or for the
answer that is to be taken. What is refused before it is a request is answered by the application all the
same, so that it is a problem like any other; ``RequestLimits`` finds the status in the scope.
"""

import asyncio
from asyncio import TimerHandle
from http import HTTPStatus
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.http.middleware.limits import FAILURE, MAX_HEADERS, size_of

HEAD_TIMEOUT = 10.0
"""Seconds from the first byte of a head, or from the connection, to the end of the head."""
ANSWER_TIMEOUT = 30.0
"""Seconds that a client who does not read has before what waits for it is dropped."""
LONGEST_HEAD = 64 * 1024
"""Bytes of one request that are no body: its head, trailers and the sizes of chunks."""
MOST_PIPELINED = 16
"""Requests that may wait for the one before them; browsers and proxies send none."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what is no request, closes what goes silent, and keeps little of what is too large.

    Headers beyond ``MAX_HEADERS`` are not kept; their request is refused once its head has ended.
    """

    _in_head = False
    _in_body = False
    _deaf = False
    _beside_body = 0
    _headers_size = 0
    _arrival: TimerHandle | None = None
    _departure: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Give the first head its time."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_arrival()
        self._stop_departure()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the connection is ending."""
        self._unset_keepalive_if_required()
        if self._deaf:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as if it had not asked (RFC 9110 section 7.8); what follows may be no HTTP any more.
            self._deaf, self.cycle.keep_alive = True, False
            return
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._in_head or self._in_body:
            self._beside_body += len(data)
            if self._beside_body > LONGEST_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
        if self._in_head or self._is_idle():
            self._await_request()

    def on_message_begin(self) -> None:
        """A head begins; its time begins with it."""
        self._stop_arrival()
        self._in_head = True
        self._beside_body = self._headers_size = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer never counts as one (RFC 9110 section 6.5.1)."""
        if not self._in_head:
            return
        size = self._headers_size + size_of(name, value)
        if size <= MAX_HEADERS:
            self._headers_size = size
            super().on_header(name, value)
        else:
            self._mark(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head has ended; what is raised here is a bad request."""
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests at once")
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        self._stop_arrival()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has ended, if it was one."""
        if self._in_body:
            self._in_body = False
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was written; the last one of a connection still has to be taken."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_departure()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._await_departure()

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_departure()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self._hang_up()

    def _is_idle(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # There is none before the first request.
        return cycle is None or cycle.response_complete

    def _await_request(self) -> None:
        if self._arrival is None:
            self._arrival = self.loop.call_later(HEAD_TIMEOUT, self._not_arrived)

    def _not_arrived(self) -> None:
        self._arrival = None
        if self._in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._hang_up()

    def _stop_arrival(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _await_departure(self) -> None:
        if self._departure is None:
            self._departure = self.loop.call_later(ANSWER_TIMEOUT, self.transport.abort)

    def _stop_departure(self) -> None:
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None

    def _hang_up(self) -> None:
        self._deaf = True
        self.transport.close()
        self._await_departure()

    def _mark(self, status: HTTPStatus) -> None:
        self.scope["extensions"] = {FAILURE: {"status": status}}

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer what came last with a problem, after the answers before it, and close."""
        self._deaf = True
        self._stop_arrival()
        idle = self._is_idle()
        if self._in_body:
            # The head was one, and its request is under way, waits, or was answered already.
            if idle:
                self._hang_up()
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
