"""A small HTTP/1.1 client: one request at a time over a connection that is kept open."""

import asyncio
from typing import NamedTuple, Self, cast

import orjson

BROKEN = "the connection ended before the answer"
HEADERS = "Host: localhost\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n"
"""What every request says of the client."""


class Answer(NamedTuple):
    """The answer to a request: its status, its head as it came, and its body."""

    status: int
    head: bytes
    body: bytes


def get(path: str, headers: str = "") -> bytes:
    """Return a request without a body; each of the other headers ends with CR LF."""
    return f"GET {path} HTTP/1.1\r\n{HEADERS}{headers}\r\n".encode()


def post(path: str, body: object = None, headers: str = "") -> bytes:
    """Return a request with a JSON body, or with none."""
    content = b"" if body is None else orjson.dumps(body)
    kind = "" if body is None else "Content-Type: application/json\r\n"
    head = f"POST {path} HTTP/1.1\r\n{HEADERS}{headers}{kind}Content-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def bearing(token: str) -> str:
    """Return the header that presents an access token."""
    return f"Authorization: Bearer {token}\r\n"


class Connection(asyncio.Protocol):
    """One connection; ``ask`` sends a request and returns the answer."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._asked: asyncio.Future[Answer] | None = None

    @classmethod
    async def to(cls, port: int, source: str | None = None) -> Self:
        """Connect to a port of this machine, from an address of its own if one is given."""
        address = None if source is None else (source, 0)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port, local_addr=address)
        return connection

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; ConnectionError when the connection ends before the answer."""
        self._asked = asyncio.get_running_loop().create_future()
        if self._transport is None:
            self._asked.set_exception(ConnectionError(BROKEN))
        else:
            self._transport.write(request)
        return self._asked

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sends."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that has no answer."""
        self._transport = None
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(ConnectionError(BROKEN if exc is None else str(exc)))

    def data_received(self, data: bytes) -> None:
        """Resolve the request once its answer is whole."""
        self._received += data
        answer = read(self._received)
        if answer is not None and self._asked is not None:
            self._received = b""
            if not self._asked.done():
                self._asked.set_result(answer)


def read(received: bytes) -> Answer | None:
    """Return the answer in these bytes, or None while it is not whole."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head, rest = received[:end], received[end + 4 :]
    status, lowered = int(head[9:12]), head.lower()
    if status in {204, 304}:
        return Answer(status, head, b"")
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        return _chunked(status, head, rest)
    length = int(lowered[at + 17 :].split(b"\r\n", 1)[0])
    return None if len(rest) < length else Answer(status, head, rest[:length])


def _chunked(status: int, head: bytes, rest: bytes) -> Answer | None:
    """Return the answer whose body comes in chunks (RFC 9112 section 7.1), or None while it is not whole."""
    body = b""
    while (end := rest.find(b"\r\n")) >= 0:
        size = int(rest[:end], 16)
        if len(rest) < end + 2 + size + 2:
            return None
        if size == 0:
            return Answer(status, head, body)
        body += rest[end + 2 : end + 2 + size]
        rest = rest[end + 2 + size + 2 :]
    return None
