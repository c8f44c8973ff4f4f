"""Writes a response in one piece.

uvicorn writes the head and the body one after the other, and looks at each header alone. A system call costs
as much as a small route's own work.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

# uvicorn keeps its types of ASGI in a private module.
Message: TypeAlias = Any
Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

_CONTROLS = bytes([*range(0x09), *range(0x0A, 0x20), 0x7F])
"""What no header holds. uvicorn raises an error for each of these."""
_WITHOUT_BODY = frozenset({204, 304})


class OneWrite:
    """An application whose responses to one request are written in one piece, where that is possible.

    As ASGI asks for, nothing is written before the first piece of the body. Responses that are not ordinary
    are left to uvicorn: those in pieces or without a length, the last ones of a connection, those to HEAD.
    """

    def __init__(self, app: Application, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        self._start: Message = None

    async def __call__(self, scope: object, receive: object, _: object) -> None:
        """Serve the request."""
        await self._app(scope, receive, self._send)

    async def _send(self, message: Message) -> None:
        start = self._start
        if start is None and message["type"] == "http.response.start":
            self._start = message
        elif start is None or self._cycle.response_started:
            await self._cycle.send(message)
        elif message["type"] != "http.response.body" or not self._is_written(start, message):
            await self._cycle.send(start)
            await self._cycle.send(message)

    def _is_written(self, start: Message, message: Message) -> bool:
        """Write an ordinary response (RFC 9112 section 6.3), or return False."""
        cycle, status, body = self._cycle, start["status"], message.get("body", b"")
        if (
            cycle.disconnected
            or cycle.flow.write_paused
            or not cycle.keep_alive
            or message.get("more_body")
            or cycle.scope["method"] == "HEAD"
        ):
            return False
        headers = [*cycle.default_headers, *start.get("headers", ())]
        has_length = (b"content-length", b"%d" % len(body)) in headers
        if not (has_length or (status in _WITHOUT_BODY and not body)):
            return False
        head = b"\r\n".join([name + b": " + value for name, value in headers])
        is_clean = len(head.translate(None, _CONTROLS)) == len(head) - 2 * (len(headers) - 1)
        if not is_clean or b"connection:" in head or b"transfer-encoding:" in head:
            return False
        cycle.transport.write(b"".join((STATUS_LINE[status], head, b"\r\n\r\n", body)))
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        cycle.on_response()
        return True
