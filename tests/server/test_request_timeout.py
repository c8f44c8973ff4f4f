"""A body has ten seconds to arrive: the application, driven by hand so that no test waits for them."""

import asyncio

import orjson
import pytest
import structlog
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope

from app.http import sessions
from app.http.application import build
from app.http.front import limits
from app.http.origins import Origins
from tests.support.servers import ISSUER

pytestmark = pytest.mark.requirement("E3")


def scope_of(path: str) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }


def built() -> FastAPI:
    """The application with the session routes, which read the body before they call a use case."""
    cases = [object.__new__(sessions.SessionCases)]
    return build([sessions.route], cases, Origins(ISSUER, ()), issuer=ISSUER, version="0")


async def answer_to(path: str, receive: Receive) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await built()(scope_of(path), receive, send)
    start, *bodies = sent
    return start["status"], dict(start["headers"]), b"".join(message["body"] for message in bodies)


def stalling_after(*chunks: bytes) -> Receive:
    """A client that sends these chunks at once, and then nothing while the connection stays open."""
    waiting = list(chunks)

    async def receive() -> Message:
        if not waiting:
            await asyncio.get_running_loop().create_future()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

    return receive


def test_a_body_has_ten_seconds() -> None:
    assert limits.BODY_TIMEOUT == 10.0


@pytest.mark.parametrize("path", ["/login", "/refresh", "/logout"])
@pytest.mark.parametrize("chunks", [(), (b'{"password":"zqzq",',), (b"{", b"zqzq", b"")], ids=str)
async def test_a_body_that_stalls_is_given_up(
    monkeypatch: pytest.MonkeyPatch, path: str, chunks: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.0)
    status, headers, body = await answer_to(path, stalling_after(*chunks))
    assert status == 408
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"x-request-id"]
    assert headers[b"connection"] == b"close"
    problem = orjson.loads(body)
    assert (problem["status"], problem["code"]) == (408, "request_timeout")
    assert b"zqzq" not in body


async def test_a_body_is_given_up_after_ten_seconds_even_if_bytes_keep_arriving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)

    async def receive() -> Message:
        # Each piece takes nine seconds of the loop's own time.
        nonlocal now
        now += 9.0
        await _turns()
        return {"type": "http.request", "body": b" ", "more_body": True}

    status, _, _ = await answer_to("/login", receive)
    assert status == 408


async def _turns() -> None:
    """Let the loop run what is due."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_body_that_came_whole_leaves_its_request_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.0)
    pieces = [b"{", b"}"]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    assert await limits.read_body(receive) == b"{}"
    await _turns()


@pytest.mark.parametrize("path", ["/login", "/refresh", "/logout"])
async def test_a_client_that_disconnects_during_its_body_is_not_an_internal_error(path: str) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        assert message.get("status", 400) < 500

    app = built()
    with structlog.testing.capture_logs() as events:
        await app(scope_of(path), receive, send)
    assert [event["event"] for event in events] == ["http.request"]
