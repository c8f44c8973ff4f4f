"""The body of a request is read at once where it has arrived, and within a deadline where it has not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.http.front import limits

pytestmark = pytest.mark.requirement("E3")

PIECE: Message = {"type": "http.request", "body": b"x", "more_body": True}
LAST: Message = {"type": "http.request", "body": b"y", "more_body": False}


class Client:
    """A client that waits before each message, in a way of its own."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.cancelled = 0
        self.may_send = asyncio.Event()

    async def at_once(self) -> Message:
        return self.messages.pop(0)

    async def a_turn_later(self) -> Message:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.messages.pop(0)

    async def when_it_may(self) -> Message:
        try:
            await self.may_send.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.messages.pop(0)


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[float]]:
    """The deadlines of all timers that are started."""
    deadlines: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def noted(when: float, *arguments: object, **options: object) -> asyncio.TimerHandle:
        deadlines.append(when)
        return call_at(when, *arguments, **options)  # type: ignore[arg-type] # handed on as they are

    with monkeypatch.context() as patch:
        patch.setattr(loop, "call_at", noted)
        yield deadlines


async def test_a_body_that_has_arrived_starts_no_timer(timers: list[float]) -> None:
    assert await limits.read_body(Client(PIECE, PIECE, LAST).at_once) == b"xxy"
    assert timers == []


async def test_a_body_that_is_awaited_has_one_deadline_for_all_of_its_pieces(timers: list[float]) -> None:
    assert await limits.read_body(Client(PIECE, PIECE, LAST).a_turn_later) == b"xxy"
    assert len(timers) == 3
    assert len(set(timers)) == 1


async def test_a_body_that_is_awaited_comes_whole() -> None:
    client = Client(PIECE, LAST)
    reading = asyncio.ensure_future(limits.read_body(client.when_it_may))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not reading.done()
    client.may_send.set()
    assert await reading == b"xy"


async def test_a_client_that_is_too_slow_is_told_so_and_awaited_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.0)
    client = Client()
    with pytest.raises(HTTPException) as refused:
        await limits.read_body(client.when_it_may)
    assert (refused.value.status_code, refused.value.headers) == (408, {"Connection": "close"})
    assert client.cancelled == 1


async def test_a_request_that_is_cancelled_stops_to_wait() -> None:
    client = Client()
    reading = asyncio.ensure_future(limits.read_body(client.when_it_may))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert client.cancelled == 1


async def test_a_client_that_leaves_ends_the_reading() -> None:
    with pytest.raises(ClientDisconnect):
        await limits.read_body(Client(PIECE, {"type": "http.disconnect"}).at_once)


@pytest.mark.parametrize(("size", "is_refused"), [(limits.MAX_BODY, False), (limits.MAX_BODY + 1, True)])
async def test_a_body_may_have_16_kib(size: int, is_refused: bool) -> None:
    pieces: list[Message] = [{**PIECE, "body": b"x" * (size - 1)}, LAST]
    reading = limits.read_body(Client(*pieces).at_once)
    if not is_refused:
        assert len(await reading) == size
        return
    with pytest.raises(HTTPException) as refused:
        await reading
    assert refused.value.status_code == 413
