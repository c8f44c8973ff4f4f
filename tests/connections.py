"""Connections to a service with several workers, so dealt out that each worker has its share."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, NamedTuple

import orjson
import psutil  # type: ignore[import-untyped]

from tests.servers import Service


class Answer(NamedTuple):
    """A status, and the JSON that came with it."""

    status: int
    body: dict[str, Any]


class Connection:
    """One connection that is kept open: the same worker answers all that is sent over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def port(self) -> int:
        """Our end's."""
        return int(self._writer.get_extra_info("sockname")[1])

    async def refresh(self, token: str) -> Answer:
        return await self._send("POST", "/refresh", {"refresh_token": token})

    async def log_out(self, token: str) -> Answer:
        return await self._send("POST", "/logout", {"refresh_token": token})

    async def log_out_by(self, access_token: str) -> Answer:
        return await self._send("POST", "/logout", None, f"Authorization: Bearer {access_token}\r\n")

    async def me(self, access_token: str) -> Answer:
        return await self._send("GET", "/me", None, f"Authorization: Bearer {access_token}\r\n")

    async def post(self, path: str, body: dict[str, str]) -> Answer:
        return await self._send("POST", path, body)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _send(self, method: str, path: str, body: dict[str, str] | None, headers: str = "") -> Answer:
        content = b"" if body is None else orjson.dumps(body)
        if content:
            headers += "Content-Type: application/json\r\n"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        )
        self._writer.write(head.encode() + content)
        async with asyncio.timeout(30):
            answered = await self._reader.readuntil(b"\r\n\r\n")
            status, _, fields = answered.decode().partition("\r\n")
            lengths = [line for line in fields.lower().splitlines() if line.startswith("content-length:")]
            length = int(lengths[0].partition(":")[2]) if lengths else 0
            content = await self._reader.readexactly(length)
        return Answer(int(status.split()[1]), orjson.loads(content) if content else {})


@asynccontextmanager
async def connections(service: Service, each: int) -> AsyncIterator[list[Connection]]:
    """So many connections to each worker, the workers in turn."""
    async with AsyncExitStack() as stack:
        by_worker: dict[int, list[Connection]] = defaultdict(list)
        for _ in range(100):  # The kernel deals them out as it likes.
            opened = [await _connect(service, stack) for _ in range(4 * service.workers)]
            served = _served(service)
            for connection in opened:
                by_worker[served[connection.port]].append(connection)
            if len(by_worker) == service.workers and min(map(len, by_worker.values())) >= each:
                break
        assert len(by_worker) == service.workers, "a worker got no connection"
        yield [connection for turn in zip(*by_worker.values(), strict=False) for connection in turn][
            : each * service.workers
        ]


async def _connect(service: Service, stack: AsyncExitStack) -> Connection:
    connection = Connection(*await asyncio.open_connection("127.0.0.1", service.port))
    stack.push_async_callback(connection.close)
    assert (await connection._send("GET", "/livez", None)).status == 200
    return connection


def _served(service: Service) -> dict[int, int]:
    """Which process has which connection of ours, by the port of our end."""
    main = psutil.Process(service.process.pid)
    processes = [main, *main.children(recursive=True)]
    return {
        connection.raddr.port: process.pid
        for process in processes
        for connection in process.net_connections("tcp4")
        if connection.laddr.port == service.port and connection.raddr
    }
