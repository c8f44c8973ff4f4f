"""A response is written in one piece, and its bytes are those that uvicorn writes by itself."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.server.connection_limits import Connections
from app.server.protocol import BoundedProtocol
from tests.support.connections import NO_LIMITS

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
TYPE = (b"content-type", b"text/plain")
TWO = (b"content-length", b"2")
NONE = (b"content-length", b"0")
OK: Message = {"type": "http.response.body", "body": b"ok"}
END: Message = {"type": "http.response.body"}


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


class Written(asyncio.Transport):
    """A connection that keeps each write and ends when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_over, "a write after the end"
        if data:
            self.pieces.append(bytes(data))

    def close(self) -> None:
        self.is_over = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_over

    def pause_reading(self) -> None:
        """Nothing more comes anyway."""

    def resume_reading(self) -> None:
        """Nothing more comes anyway."""


async def written(
    kind: type[HttpToolsProtocol], state: ServerState, request: bytes, messages: Sequence[Message]
) -> Written:
    """What a connection writes when an application answers this request with these messages."""

    async def application(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))

    app: ASGIApp = application
    state.default_headers = [(b"date", b"Fri, 27 Nov 2026 09:00:00 GMT")]
    config = Config(app, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    transport, protocol = Written(), kind(config, state, {})
    protocol.connection_made(transport)
    protocol.data_received(request)
    await completed(state)
    protocol.connection_lost(None)
    return transport


async def completed(state: ServerState) -> None:
    """Return when every request of a server is answered, also those that wait for their turn."""
    while state.tasks:
        await asyncio.wait(state.tasks)


async def both(request: bytes, *messages: Message) -> tuple[Written, Written]:
    ours = await written(BoundedProtocol, Connections(NO_LIMITS), request, messages)
    return ours, await written(HttpToolsProtocol, ServerState(), request, messages)


@pytest.mark.parametrize(
    "messages",
    [
        (start(TYPE, TWO), OK),
        (start(TWO, status=503), OK),
        (start(NONE), END),
        (start(TYPE, status=204), END),
        (start(status=304), END),
        (start((b"x-odd", "é\t\x80".encode("latin-1")), TWO), OK),
    ],
)
async def test_an_ordinary_response_is_written_in_one_piece(messages: tuple[Message, ...]) -> None:
    ours, theirs = await both(GET, *messages)
    assert ours.pieces == [b"".join(theirs.pieces)]
    assert (ours.is_over, theirs.is_over) == (True, True)  # The client has left.
    (twice, _) = await both(GET + GET, *messages)
    assert twice.pieces == ours.pieces * 2


@pytest.mark.parametrize(
    ("request_", "messages"),
    [
        (CLOSING, (start(TYPE, TWO), OK)),
        (GET, (start((b"connection", b"close"), TWO), OK)),
        (GET, (start((b"connection", b"close"), status=204), END)),
        (GET.replace(b"GET", b"HEAD"), (start(TWO), OK)),
        (GET, (start(TYPE), OK)),
        (GET, (start((b"transfer-encoding", b"chunked")), OK)),
        (GET, (start(TWO), {**OK, "body": b"o", "more_body": True}, {**OK, "body": b"k"})),
        (GET, (start(), {**OK, "more_body": True}, END)),
        (GET, (start(TWO), END)),
        (GET, (start(NONE), OK)),
        (GET, (start((b"x", b"a\r\nInjected: yes"), TWO), OK)),
        (GET, (start((b"x", b"a\x00"), TWO), OK)),
        (GET, (start((b"x", b"\x1b[2J"), TWO), OK)),
        (GET, (start(TWO), start(TWO), OK)),
        (GET, (start(TWO), OK, OK)),
        (GET, (start(TWO, status=204), OK)),
        (GET, (OK,)),
        (GET, ()),
    ],
)
async def test_any_other_response_is_written_as_uvicorn_writes_it(
    request_: bytes, messages: tuple[Message, ...]
) -> None:
    ours, theirs = await both(request_, *messages)
    assert b"".join(ours.pieces) == b"".join(theirs.pieces)
    assert b"Injected" not in b"".join(ours.pieces)


async def test_a_body_that_is_not_read_is_no_part_of_the_next_request() -> None:
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    ours, theirs = await both(post + post[:-1], start(TWO), OK)
    assert b"".join(ours.pieces) == b"".join(theirs.pieces)
    assert b"".join(ours.pieces).count(b"HTTP/1.1 200") == 2


async def test_nothing_is_written_to_a_client_that_has_left_or_does_not_read() -> None:
    """uvicorn drops the one and waits for the other."""
    state = Connections(NO_LIMITS)
    goes_on = asyncio.Event()

    async def application(_: Scope, __: Receive, send: Send) -> None:
        await goes_on.wait()
        await send(start(TWO))
        await send(dict(OK))

    config = Config(application, lifespan="off", log_config=None, access_log=False, proxy_headers=False)
    config.load()
    gone, stalled = (BoundedProtocol(config, state, {}) for _ in range(2))
    transports = [Written(), Written()]
    for protocol, transport in zip((gone, stalled), transports, strict=True):
        protocol.connection_made(transport)
        protocol.data_received(GET)
    gone.connection_lost(None)
    stalled.pause_writing()
    goes_on.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert [transport.pieces for transport in transports] == [[], []]
    stalled.resume_writing()
    await completed(state)
    assert (transports[0].pieces, len(transports[1].pieces)) == ([], 2)
    stalled.connection_lost(None)
