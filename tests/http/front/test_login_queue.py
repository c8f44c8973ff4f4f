"""Requests on one connection: each is answered in its turn, and a broken one ends what follows it alone."""

from collections.abc import AsyncIterator

import pytest
import structlog

from app.http.heads import MAX_HEADERS
from tests.support.connections import Served, served, turns

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
GET, SLOW, BEGUN = (b"GET /" + path + HOST + b"\r\n" for path in (b"livez", b"slow", b"begun"))
CHUNKED = HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN = b"zz\r\n"


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as server:
        yield server


@pytest.mark.parametrize(
    "following", [b"nonsense\r\n\r\n", b"POST /login" + CHUNKED + BROKEN], ids=["no head", "no body"]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_request_is_answered_before_what_follows_is_refused(
    server: Served, following: bytes, at_once: bool
) -> None:
    peer = await server.connect(SLOW + following if at_once else SLOW)
    await turns()
    if not at_once:
        await peer.send(following)
        await turns()
    # What comes after it is not even looked at.
    await peer.send(GET)
    await turns()
    server.going_on.set()
    assert (await peer.answer()).status_code == 200
    await peer.refused(400, "bad_request")


async def test_a_request_whose_body_is_malformed_is_refused_however_far_it_got(server: Served) -> None:
    peer = await server.connect(b"POST /slow" + CHUNKED)
    await turns()
    await peer.send(BROKEN)
    await peer.refused(400, "bad_request")


async def test_an_answer_that_has_begun_is_finished_and_the_last_one(server: Served) -> None:
    peer = await server.connect(b"POST /begun" + CHUNKED)
    await turns()
    await peer.send(BROKEN)
    await turns()
    server.going_on.set()
    assert (await peer.answer()).content == b"ok"
    assert await peer.rest() == b""


async def test_a_body_that_breaks_after_its_answer_gets_no_second_one(server: Served) -> None:
    peer = await server.connect(b"POST /livez" + CHUNKED)
    assert (await peer.answer()).status_code == 405
    await peer.send(BROKEN)
    assert await peer.rest() == b""


@pytest.mark.parametrize(("path", "statuses"), [(b"/logout", [499, 400]), (b"/login", [400, 499])])
async def test_a_broken_request_leaves_one_line_for_itself_and_one_for_its_refusal(
    server: Served, path: bytes, statuses: list[int]
) -> None:
    with structlog.testing.capture_logs() as events:
        peer = await server.connect(b"POST " + path + CHUNKED + BROKEN)
        await peer.refused(400, "bad_request")
        # A login that waited for its turn notices later that the client has disconnected.
        await turns()
    assert [(event["event"], event["status"]) for event in events] == [
        ("http.request", status) for status in statuses
    ]


async def test_trailers_are_no_headers(server: Served) -> None:
    planted = b"Authorization: Bearer x\r\nX-Forwarded-For: 192.0.2.1\r\n"
    peer = await server.connect(b"POST /livez" + CHUNKED + b"0\r\n" + planted + b"\r\n" + GET)
    assert [(await peer.answer()).status_code for _ in range(2)] == [405, 200]
    peer = await server.connect(b"POST /livez" + CHUNKED + b"0\r\n" + planted + b"\r\n")
    await peer.answer()
    assert {name for name, _ in server.headers} == {b"host", b"content-type", b"transfer-encoding"}


async def test_headers_beyond_the_limit_are_not_kept(server: Served) -> None:
    head = b"GET /livez" + HOST + b"a:b\r\n" * 10_000 + b"X-Last: z\r\n\r\n"
    peer = await server.connect(head)
    assert (await peer.answer()).status_code == 431
    assert len(server.headers) <= MAX_HEADERS // 33
    await peer.send(GET)
    assert (await peer.answer()).status_code == 200


async def test_an_upgrade_is_ignored_and_so_are_the_bytes_after_it(server: Served) -> None:
    peer = await server.connect(b"GET /livez" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET)
    answer = await peer.answer()
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert await peer.rest() == b""
