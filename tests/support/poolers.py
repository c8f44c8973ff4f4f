"""What stands before Postgres and refuses connections in its own way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url

_SSL_REQUEST = (80_877_103).to_bytes(4, "big")


class Gate:
    """Passes connections on to Postgres while it is open.

    While it is shut, it answers a new connection with this SQLSTATE and message, as poolers and platforms do
    with codes of their own.
    """

    def __init__(self, url: str, sqlstate: str, message: str) -> None:
        self._upstream = urlsplit(url)
        fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
        self._refusal = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
        self._open: set[asyncio.StreamWriter] = set()
        self.is_shut = False
        self.port = 0

    def url(self, of: str) -> str:
        """The URL of the database behind it."""
        parts = make_url(of)
        return parts.set(host="127.0.0.1", port=self.port, query={}).render_as_string(hide_password=False)

    def shut(self) -> None:
        """End every connection, and refuse new ones."""
        self.is_shut = True
        for writer in self._open:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.is_shut:
                await self._refuse(reader, writer)
            else:
                await self._pass_on(reader, writer)
        writer.close()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            if (await reader.readexactly(size - 4)) != _SSL_REQUEST:
                break
            writer.write(b"N")
        writer.write(self._refusal)
        await writer.drain()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        options = parse_qs(self._upstream.query)
        path = f"{options['host'][0]}/.s.PGSQL.{options['port'][0]}"
        there, back = await asyncio.open_unix_connection(path)
        self._open |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def gate(url: str, sqlstate: str, message: str) -> AsyncIterator[Gate]:
    """An open gate before the Postgres of this URL, which names a socket."""
    standing = Gate(url, sqlstate, message)
    server = await asyncio.start_server(standing.serve, "127.0.0.1", 0)
    standing.port = server.sockets[0].getsockname()[1]
    try:
        yield standing
    finally:
        standing.shut()
        server.close()
