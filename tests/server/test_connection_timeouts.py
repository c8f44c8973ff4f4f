"""No connection is open for ever: neither one that goes silent nor one whose client does not read."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog
import uvloop

from app.http.front import limits
from app.server import protocol
from tests.support.connections import Clock, Peer, Served, served, turns

pytestmark = pytest.mark.requirement("E3")

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF = b"GET /livez HTTP/1.1\r\nHost: loc"
JSON = b"Content-Type: application/json\r\nContent-L"
UNREAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[Served]:
    async with served() as server:
        yield server


async def open_after(server: Served, seconds: float, clock: Clock) -> bool:
    await clock.move(seconds)
    return bool(server.state.connections)


def test_a_head_has_ten_seconds_and_an_answer_thirty() -> None:
    assert (protocol.HEAD_TIMEOUT, protocol.ANSWER_TIMEOUT) == (10.0, 30.0)


async def test_a_silent_connection_is_closed_without_an_answer(server: Served, clock: Clock) -> None:
    peer = await server.connect()
    assert await open_after(server, 9.5, clock)
    assert not await open_after(server, 1, clock)
    assert await peer.rest() == b""


@pytest.mark.parametrize("half", [b"G", b"GET /", HALF, GET[:-2], GET[:-1]], ids=repr)
async def test_half_a_head_is_answered_with_a_timeout(server: Served, clock: Clock, half: bytes) -> None:
    peer = await server.connect(half)
    assert await open_after(server, 9.5, clock)
    await clock.move(1)
    await peer.refused(408, "request_timeout")
    await server.emptied()


async def test_a_head_that_trickles_gets_no_more_time(server: Served, clock: Clock) -> None:
    peer = await server.connect()
    await clock.move(9)
    for letter in (b"G", b"E", b"T", b" "):
        # The first byte starts the time anew, and the others do not.
        await peer.send(letter)
        assert await open_after(server, 2.4, clock)
    await clock.move(0.5)
    await peer.refused(408, "request_timeout")


async def test_empty_lines_are_no_head_and_get_no_more_time(server: Served, clock: Clock) -> None:
    peer = await server.connect(GET)
    assert (await peer.answer()).status_code == 200
    for _ in range(4):
        await peer.send(b"\r\n")
        assert await open_after(server, 2.4, clock)
    assert not await open_after(server, 0.5, clock)
    assert await peer.rest() == b""


async def test_a_kept_connection_may_wait_and_its_next_head_has_ten_seconds_again(
    server: Served, clock: Clock
) -> None:
    peer = await server.connect(GET)
    assert (await peer.answer()).status_code == 200
    assert await open_after(server, 74, clock)
    await peer.send(GET)
    assert (await peer.answer()).status_code == 200
    assert await open_after(server, 60, clock)
    await peer.send(HALF)
    assert await open_after(server, 9.5, clock)
    await clock.move(1)
    await peer.refused(408, "request_timeout")
    idle = await server.connect(GET)
    assert (await idle.answer()).status_code == 200
    assert not await open_after(server, 76, clock)
    assert await idle.rest() == b""


async def test_a_head_that_came_in_time_leaves_its_answer_all_the_time(server: Served, clock: Clock) -> None:
    peer = await server.connect(HALF)
    await clock.move(9)
    await peer.send(b"alhost\r\nX-Y: z\r\n\r\n")
    assert (await peer.answer()).status_code == 200
    slow = await server.connect(GET.replace(b"livez", b"slow"))
    assert await open_after(server, 60, clock)
    server.going_on.set()
    assert (await slow.answer()).status_code == 200


async def test_a_body_that_no_handler_awaits_has_no_timer(server: Served, clock: Clock) -> None:
    peer = await server.connect(UNREAD)
    assert (await peer.answer()).status_code == 200
    for _ in range(4):
        await peer.send(b"x")
        assert await open_after(server, 2.4, clock)
    assert not await open_after(server, 0.5, clock)
    assert await peer.rest() == b""


async def test_a_body_that_stalls_ends_its_connection(
    server: Served, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.0)
    peer = await server.connect(UNREAD.replace(b"GET /livez", b"POST /login").replace(b"Content-L", JSON))
    await peer.refused(408, "request_timeout")
    await server.emptied()


async def test_a_body_that_comes_after_its_answer_ends_nothing(server: Served, clock: Clock) -> None:
    peer = await server.connect(UNREAD)
    assert (await peer.answer()).status_code == 200
    await peer.send(b"x" * 100)
    await clock.move(5)
    await peer.send(GET)
    assert (await peer.answer()).status_code == 200
    assert await open_after(server, 60, clock)


async def test_half_a_head_behind_another_request_waits_for_its_turn_to_be_refused(
    server: Served, clock: Clock
) -> None:
    peer = await server.connect(GET.replace(b"livez", b"slow") + HALF)
    await clock.move(11)
    await peer.send(b"alhost\r\n\r\n")
    server.going_on.set()
    assert (await peer.answer()).status_code == 200
    await peer.refused(408, "request_timeout")


async def test_half_a_request_and_an_end_leave_nothing_behind(server: Served, clock: Clock) -> None:
    with structlog.testing.capture_logs() as events:
        for half in (b"", HALF, UNREAD.replace(b"GET /livez", b"POST /login")):
            peer = await server.connect(half)
            await turns()
            await peer.close()
            await server.emptied()
        await clock.move(200)
    assert [event["status"] for event in events] == [499]


async def test_hundreds_of_silent_connections_hinder_no_request_and_are_closed(
    server: Served, clock: Clock
) -> None:
    silent: list[Peer] = [await server.connect(HALF if number % 2 else b"") for number in range(300)]
    await turns()
    assert len(server.state.connections) == 300
    peer = await server.connect(GET)
    assert (await peer.answer()).status_code == 200
    await clock.move(11)
    assert len(server.state.connections) == 1
    for number, each in enumerate(silent):
        assert bool(await each.rest()) == bool(number % 2)


LARGE = GET.replace(b"livez", b"large")


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"], ids=repr)
async def test_a_client_that_does_not_read_its_answer_is_dropped(
    server: Served, clock: Clock, ending: bytes
) -> None:
    peer = await server.connect(LARGE.replace(b"Host", ending + b"Host"), limit=1024)
    assert await open_after(server, 29, clock)
    assert not await open_after(server, 2, clock)
    assert len(await peer.rest()) < 16_000_000


@pytest.mark.parametrize(
    ("ending", "open_for"), [(b"", (74, 2, 28)), (b"Connection: close\r\n", (28,))], ids=str
)
async def test_a_client_that_does_not_read_the_little_that_is_left_is_dropped_too(
    server: Served, clock: Clock, ending: bytes, open_for: tuple[float, ...]
) -> None:
    peer = await server.connect(limit=1024)
    await turns()
    (connection,) = server.state.connections
    assert isinstance(connection, protocol.BoundedProtocol)
    # All of the answer is little now.
    connection.transport.set_write_buffer_limits(high=1 << 30)
    await peer.send(LARGE.replace(b"Host", ending + b"Host"))
    for seconds in open_for:
        assert await open_after(server, seconds, clock)
    assert not await open_after(server, 3, clock)
    assert len(await peer.rest()) < 16_000_000


async def test_a_client_that_reads_slowly_gets_its_answer_whole(server: Served, clock: Clock) -> None:
    peer = await server.connect(LARGE, limit=1024)
    await clock.move(29)
    assert len((await peer.answer()).content) == 16_000_000
    assert await open_after(server, 40, clock)
    await peer.send(GET)
    assert (await peer.answer()).status_code == 200


def test_deadlines_hold_on_the_loop_that_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    # Its clock cannot be moved, so that the deadlines come to it.
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.05)
    monkeypatch.setattr(protocol, "ANSWER_TIMEOUT", 0.05)

    async def walk() -> None:
        async with served() as server:
            silent, late, deaf = [await server.connect(data, limit=1024) for data in (b"", HALF, LARGE)]
            await late.refused(408, "request_timeout")
            await server.emptied()
            assert await silent.rest() == b""
            assert len(await deaf.rest()) < 16_000_000

    with ThreadPoolExecutor(1) as thread:
        thread.submit(uvloop.run, walk()).result()
