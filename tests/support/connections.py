"""Connections to a service with several workers, so dealt out that each worker has its share."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import sleep
from typing import Any, NamedTuple, Self

import httpx2
import orjson
import psutil  # type: ignore[import-untyped]
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config

from app.http.application import build, core_routes
from app.http.origins import Origins
from app.server.connection_limits import ConnectionLimits, Connections
from app.server.protocol import BoundedProtocol
from tests.support.people import problem_of
from tests.support.processes import PATIENCE
from tests.support.servers import ISSUER, Service


class Answer(NamedTuple):
    """A status, and the JSON that came with it."""

    status: int
    body: dict[str, Any]


class Connection:
    """One connection that is kept open: the same worker answers all that is sent over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @property
    def has_ended(self) -> bool:
        """Whether the other end has closed it."""
        return self._reader.at_eof() or self._reader.exception() is not None

    @property
    def port(self) -> int:
        """Our end's."""
        return int(self._writer.get_extra_info("sockname")[1])

    async def refresh(self, token: str, key: str | None = None) -> Answer:
        headers = "" if key is None else f"Idempotency-Key: {key}\r\n"
        return await self.send("POST", "/refresh", {"refresh_token": token}, headers)

    async def log_out(self, token: str) -> Answer:
        return await self.send("POST", "/logout", {"refresh_token": token})

    async def log_out_by(self, access_token: str) -> Answer:
        return await self.send("POST", "/logout", None, f"Authorization: Bearer {access_token}\r\n")

    async def me(self, access_token: str) -> Answer:
        return await self.send("GET", "/me", None, f"Authorization: Bearer {access_token}\r\n")

    async def key_set(self) -> Answer:
        return await self.send("GET", "/.well-known/jwks.json", None)

    async def post(self, path: str, body: dict[str, str]) -> Answer:
        return await self.send("POST", path, body)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def send(self, method: str, path: str, body: dict[str, str] | None, headers: str = "") -> Answer:
        status, _, content = await self.exchange(method, path, body, headers)
        return Answer(status, orjson.loads(content) if content else {})

    async def exchange(
        self, method: str, path: str, body: dict[str, str] | None, headers: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        """The answer's status, its fields by their names in lower case, and its content as it came."""
        content = b"" if body is None else orjson.dumps(body)
        if content:
            headers += "Content-Type: application/json\r\n"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        )
        self._writer.write(head.encode() + content)
        async with asyncio.timeout(PATIENCE):
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            named = (line.partition(": ") for line in lines if line)
            fields = {name.lower(): value for name, _, value in named}
            content = await self._reader.readexactly(int(fields.get("content-length", 0)))
        return int(status.split()[1]), fields, content


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
    connection = await Connection.to(service.port)
    stack.push_async_callback(connection.close)
    assert (await connection.send("GET", "/livez", None)).status == 200
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


KEY_SET = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Peer:
    """A client's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int, host: str = "127.0.0.1", **kwargs: Any) -> Self:
        return cls(*await asyncio.open_connection(host, port, **kwargs))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def answer(self, *, to_head: bool = False) -> httpx2.Response:
        """The next answer whole, after interim ones; one to HEAD has no body."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            status, *lines = head.decode().split("\r\n")[:-2]
            headers = httpx2.Headers(
                [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
            )
            if status.split()[1] == "100":
                return await self.answer()
            length = 0 if to_head else int(headers.get("content-length", "0"))
            body = await self._reader.readexactly(length)
        return httpx2.Response(int(status.split()[1]), headers=headers, content=body)

    async def outline(self) -> tuple[int, int]:
        """Of the next answer, with as little work as may be: its status, and how long it asks to wait."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        await self._reader.readexactly(int(fields.get(b"content-length", 0)))
        return int(head[9:12]), int(fields.get(b"retry-after", 0))

    async def refused(self, status: int, code: str) -> None:
        """The next answer is this problem and the last thing that comes."""
        answer = await self.answer()
        problem_of(answer, status, code)
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert await self.rest() == b""

    async def rest(self) -> bytes:
        """All that comes before the end; a reset is an end too."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while piece := await self._reader.read(1 << 20):
                    received += piece
        return bytes(received)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def post(path: str, **members: str) -> bytes:
    """A whole request with a JSON body."""
    body = orjson.dumps(members)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def peer(port: int, **kwargs: Any) -> AsyncIterator[Peer]:
    peer = await Peer.to(port, **kwargs)
    try:
        yield peer
    finally:
        await peer.close()


async def turns(number: int = 20) -> None:
    """Let the loop run what is due, on both ends, also while the loop's clock stands still."""
    for _ in range(number):
        await asyncio.to_thread(sleep, 0.001)


NO_LIMITS = ConnectionLimits(in_all=10_000, per_address=10_000)


class Clock:
    """The loop's own clock, which stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self._now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self._now)

    async def move(self, seconds: float) -> None:
        """Complete what is under way, let the time pass, and complete what that brought."""
        await turns()
        self._now += seconds
        await turns()


@dataclass
class Served:
    """The application behind the protocol, on a port of this process, without the use cases."""

    port: int = 0
    going_on: asyncio.Event = field(default_factory=asyncio.Event)
    state: Connections = field(default_factory=lambda: Connections(NO_LIMITS))
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    peers: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def connect(self, data: bytes = b"", **kwargs: Any) -> Peer:
        connected = await self.peers.enter_async_context(peer(self.port, **kwargs))
        await connected.send(data)
        return connected

    async def emptied(self) -> None:
        """Return when no connection is left."""
        while self.state.connections:
            await turns(1)

    def behind(self, app: ASGIApp) -> ASGIApp:
        """The application, with three paths of the tests' own."""

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["path"]
            if path == "/begun":
                length = [(b"content-length", b"2")]
                await send({"type": "http.response.start", "status": 200, "headers": length})
                await send({"type": "http.response.body", "body": b"o", "more_body": True})
            if path in {"/begun", "/slow"}:
                await self.going_on.wait()
            if path == "/begun":
                await send({"type": "http.response.body", "body": b"k", "more_body": False})
            elif path == "/large":
                body = b"x" * 16_000_000
                length = [(b"content-length", b"%d" % len(body))]
                await send({"type": "http.response.start", "status": 200, "headers": length})
                await send({"type": "http.response.body", "body": body, "more_body": False})
            else:
                self.headers = scope["headers"]
                await app({**scope, "path": "/livez"} if path == "/slow" else scope, receive, send)

        return routed


@asynccontextmanager
async def served(limits: ConnectionLimits = NO_LIMITS) -> AsyncIterator[Served]:
    found = Served(state=Connections(limits))
    routes = core_routes(ISSUER)
    # The tests send no request that reaches a use case.
    cases = [object.__new__(module.cases) for module in routes]
    app = build(routes, cases, Origins(ISSUER, ()), issuer=ISSUER, version="0")
    config = Config(
        found.behind(app), lifespan="off", log_config=None, access_log=False, timeout_keep_alive=75
    )
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, found.state, {}), "127.0.0.1", 0
    )
    found.port = server.sockets[0].getsockname()[1]
    async with server, found.peers:
        yield found
        found.going_on.set()
