"""One application twice: as it is built, and with every request passed to FastAPI; and what each answers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from uvicorn import Config

from app.http.application import Application
from app.http.front import ANY
from app.server.connection_limits import Connections
from app.server.protocol import BoundedProtocol
from tests.support.connections import NO_LIMITS, peer, turns

# Ids, tokens and times, which differ between two requests in any case.
_VARIES = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"date: [^\r]*", "<date>"),
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>"),
        (r"wwr_[\w-]{76}", "<refresh token>"),
        (r"wwd_[\w-]+", "<device token>"),
        (r"(?<=Max-Age=)\d{3,}|(?<=expires_in\":)\d+", "<seconds>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
        (r"\b(zq)?[0-9a-f]{32}\b(?!\")", "<id>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "<time>"),
        (r"'milliseconds': [\d.]+", "<milliseconds>"),
        (r'"id":"[\w-]{48}"', "<event>"),
    )
]


class Answered(NamedTuple):
    """What a request leads to: all bytes of the answer, and the lines of the log; less what always varies."""

    answer: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """A served application, and the texts that fill the placeholders of a request, such as tokens."""

    port: int
    app: Application
    fillings: dict[bytes, Sequence[bytes]]

    async def answered(self, *pieces: bytes, leaves: bool = False) -> Answered:
        """What these pieces of a request lead to; a client that leaves waits for no answer."""
        filled = [self._filled(piece) for piece in pieces]
        with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
            async with peer(self.port) as client:
                for piece in filled:
                    await client.send(piece)
                    await turns(5 if leaves or len(filled) > 1 else 0)
                answer = b"" if leaves else await client.rest()
            await turns(5 if leaves else 0)
        of_requests = [line for line in lines if "request_id" in line]
        return Answered(_even(answer.decode("latin-1")), tuple(_even(str(line)) for line in of_requests))

    def _filled(self, piece: bytes) -> bytes:
        for name, values in self.fillings.items():
            for number, value in enumerate(values):
                piece = piece.replace(b"{%s %d}" % (name, number), value)
        return piece


@asynccontextmanager
async def both_ways(build: Callable[[], Application]) -> AsyncIterator[tuple[Way, Way]]:
    """The application as it is built, and the same one whose front answers only what FastAPI has not."""
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(_served(build())) for _ in range(2)]
        endpoints = ways[1].app.front.endpoints
        ways[1].app.front.endpoints = {key: endpoints[key] for key in endpoints if key[0] == ANY}
        yield ways[0], ways[1]


@asynccontextmanager
async def _served(app: Application) -> AsyncIterator[Way]:
    async with app.router.lifespan_context(app):
        config = Config(app, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
        config.load()
        state = Connections(NO_LIMITS)
        server = await asyncio.get_running_loop().create_server(
            lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0
        )
        async with server:
            yield Way(server.sockets[0].getsockname()[1], app, {})


async def differences(ways: tuple[Way, Way], requests: Iterable[tuple[bytes, ...]], **how: Any) -> list[Any]:
    """The requests that are answered or logged in two ways, with both."""
    found = []
    for request in requests:
        one, other = [await way.answered(*request, **how) for way in ways]
        assert one.answer or how, request
        if one != other:
            found.append((request, one, other))
    return found


def _even(text: str) -> str:
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return text
