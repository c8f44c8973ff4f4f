"""The server's HTTP protocol, with a cap on what a request head may take before it is complete."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not end, which the parser would keep in memory.

    A head over ``MAX_HEADERS`` that does end is answered with a problem by ``RequestLimits``.
    """

    _head = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._in_head = False
        super().on_headers_complete()
