"""A server of the range protocol, which answers as a test tells it to and remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha1

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PADDING = "".join(f"{number:035X}:0\r\n" for number in range(800))


def digest(password: str) -> str:
    return sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def said(body: bytes | str, *headers: str, status: str = "200 OK") -> Answer:
    """A whole answer."""
    content = body.encode() if isinstance(body, str) else body
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""])

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + content)

    return answer


def listing(*passwords: str, count: int = 1) -> Answer:
    """The answer in which these passwords were in a breach, among padding."""
    return said(PADDING + "".join(f"{digest(password)[5:]}:{count}\r\n" for password in passwords))


class RangeServer:
    """Answers each request alike until it is told otherwise."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/range"
        self.answer = listing()
        self.heads: list[str] = []

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]


@asynccontextmanager
async def range_server() -> AsyncIterator[RangeServer]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            server.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await server.answer(reader, writer)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        server = RangeServer(listening.sockets[0].getsockname()[1])
        yield server
