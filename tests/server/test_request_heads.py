"""What is no request is a problem and ends its connection; what is merely odd is answered."""

import json

import pytest

from app.http.heads import HEADER_OVERHEAD, MAX_HEADERS
from app.server.protocol import LONGEST_HEAD, MOST_PIPELINED
from tests.support.connections import peer
from tests.support.people import marker
from tests.support.servers import Service
from tests.support.waiting import complete_logs

pytestmark = pytest.mark.requirement("E1", "E3", "E11")

LINE, HOST = b"GET /livez HTTP/1.1\r\n", b"Host: localhost\r\n"
POST = b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
GET = LINE + HOST + b"\r\n"
LEFT = MAX_HEADERS - HEADER_OVERHEAD - len("host" + "localhost")  # For other headers.

NO_REQUEST = {
    "no HTTP at all": b"{0}\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "SSH": b"SSH-2.0-{0}\r\n",
    "SMTP": b"EHLO {0}\r\n",
    "NULs": b"\x00" * 1000,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "another version": b"GET /{0} HTTP/1.7\r\n" + HOST + b"\r\n",
    "an answer": b"HTTP/1.1 200 OK\r\nX-Y: {0}\r\n\r\n",
    "an unknown method": b"{0} / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in small letters": b"get /livez HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path that is none": b"GET {0} HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path with a space": b"GET /livez {0} HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path beyond ASCII": b"GET /\xff{0} HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path with a NUL": b"GET /\x00{0} HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute target without a path": b"GET http://{0} HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT {0}:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "LF alone": b"GET /livez HTTP/1.1\nX-Y: {0}\n\n",
    "CR alone": LINE + b"X-Y: {0}\rX-Z: 1\r\n\r\n",
    "a NUL in a header": LINE + b"X-Y: \x00{0}\r\n\r\n",
    "an escape in a header": LINE + b"X-Y: \x1b[2J{0}\r\n\r\n",
    "a NUL in a name": LINE + b"X\x00Y: {0}\r\n\r\n",
    "a space before the colon": LINE + b"X-Y : {0}\r\n\r\n",
    "a folded line": LINE + b"X-Y: a\r\n {0}: b\r\n\r\n",
    "a header without a name": LINE + b": {0}\r\n\r\n",
    "a header without a colon": LINE + b"{0}\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two other lengths": POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length in hexadecimal": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "an endless length": POST + b"Content-Length: " + b"9" * 50 + b"\r\n\r\n{}",
    "chunks and a length": CHUNKED + b"Content-Length: 2\r\n\r\n0\r\n\r\n{0}",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{0}",
    "chunks that are not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: x{0}\r\n\r\n0\r\n\r\n",
    "an obscured coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk of no size": CHUNKED + b"\r\n{0}\r\n",
    "a chunk of a negative size": CHUNKED + b"\r\n-1\r\n{0}\r\n",
    "a chunk of an endless size": CHUNKED + b"\r\n" + b"f" * 30 + b"\r\n{0}",
    "a chunk longer than it says": CHUNKED + b"\r\n1\r\n{0}\r\n0\r\n\r\n",
    "a chunk that ends in LF": CHUNKED + b"\r\n1\n{\n0\n\n",
    "no host": LINE + b"X-Y: {0}\r\n\r\n",
    "two hosts": LINE + HOST + HOST + b"X-Y: {0}\r\n\r\n",
    "two hosts of HTTP/1.0": b"GET /livez HTTP/1.0\r\n" + HOST + HOST + b"X-Y: {0}\r\n\r\n",
    "requests by the dozen": GET * (MOST_PIPELINED + 2),
    "a head as a body": GET + b"{0}\r\n\r\n",
}
TOO_LONG = {
    "a header that never ends": LINE + b"X-Y: " + b"y" * (LONGEST_HEAD + 1),
    "a name that never ends": LINE + b"y" * (LONGEST_HEAD + 1),
    "a path that never ends": b"GET /" + b"y" * (LONGEST_HEAD + 1),
    "headers that never end": LINE + b"a:\r\n" * (LONGEST_HEAD // 4 + 1),
    "an extension of a chunk that never ends": CHUNKED + b"\r\n1;" + b"y" * (LONGEST_HEAD + 1),
    "a trailer that never ends": CHUNKED + b"\r\n0\r\nX-Y: " + b"y" * (LONGEST_HEAD + 1),
    "trailers that never end": CHUNKED + b"\r\n0\r\n" + b"a:\r\n" * (LONGEST_HEAD // 4 + 1),
    "the smallest of chunks": CHUNKED + b"\r\n" + b"1\r\n \r\n" * (LONGEST_HEAD // 5 + 1),
}
ANSWERED = {
    "HTTP/1.0": (b"GET /livez HTTP/1.0\r\n\r\n", 200),
    "HTTP/0.9": (b"GET /livez\r\n\r\n", 200),
    "an empty line before": (b"\r\n" + GET, 200),
    "an absolute target": (b"GET http://elsewhere.example/livez HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "an asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "TRACE": (b"TRACE /livez HTTP/1.1\r\nX-Y: {0}\r\n" + HOST + b"\r\n", 405),
    "CONNECT with a path": (b"CONNECT /livez HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "a method of WebDAV": (b"PROPFIND /livez HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "an upgrade to a WebSocket": (
        LINE + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {0}\r\n\r\n{0}",
        200,
    ),
    "an upgrade to HTTP/2": (LINE + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200),
    "an expectation": (POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", 422),
    "another expectation": (LINE + HOST + b"Expect: {0}\r\n\r\n", 200),
    "a percent that is none": (b"GET /%zz%{0} HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a path of percents": (b"GET /%00%0d%0a%ff%c0%80%ed%a0%80 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a way out": (b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a fragment": (b"GET /nowhere#{0} HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "bytes beyond ASCII": (LINE + HOST + b"X-Y: \x80\xff\xed\xa0\x80\r\n\r\n", 200),
    "headers by the thousand": (LINE + HOST + b"a:b\r\n" * 10_000 + b"\r\n", 431),
    "a head as long as may be": (LINE + b"X: " + b"y" * (LONGEST_HEAD - len(LINE) - 7) + b"\r\n\r\n", 431),
    "headers as long as may be": (LINE + HOST + b"X: " + b"y" * (LEFT - 33) + b"\r\n\r\n", 200),
    "headers one longer": (LINE + HOST + b"X: " + b"y" * (LEFT - 32) + b"\r\n\r\n", 431),
    "headers as many as may be": (LINE + HOST + b"a:b\r\n" * (LEFT // 34) + b"\r\n", 200),
    "a megabyte": (POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000, 413),
    "a megabyte in chunks": (
        CHUNKED + b"\r\n" + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 1000 + b"0\r\n\r\n",
        413,
    ),
}


@pytest.mark.parametrize("kind", NO_REQUEST)
async def test_a_malformed_request_is_a_bad_request_and_the_last_one(service: Service, kind: str) -> None:
    content = NO_REQUEST[kind].replace(b"{0}", marker().encode())
    async with peer(service.port) as client:
        await client.send(content)
        for _ in range(min(content.count(GET), MOST_PIPELINED + 1)):
            assert (await client.answer()).status_code == 200
        await client.refused(400, "bad_request")


@pytest.mark.parametrize("kind", TOO_LONG)
async def test_an_endless_head_is_cut_off_with_a_problem_if_it_stops_in_time(
    service: Service, kind: str
) -> None:
    async with peer(service.port) as client:
        await client.send(TOO_LONG[kind])
        await client.refused(431, "headers_too_large")
    async with peer(service.port) as client:
        await client.send(TOO_LONG[kind] + b"y" * 64 * LONGEST_HEAD)
        received = await client.rest()
        # After chunks, what goes on is malformed too.
        assert received == b"" or received.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


@pytest.mark.parametrize("kind", ANSWERED)
async def test_an_unusual_but_valid_request_is_answered_and_the_next_one_too(
    service: Service, kind: str
) -> None:
    content, status = ANSWERED[kind]
    async with peer(service.port) as client:
        await client.send(content.replace(b"{0}", marker().encode()))
        answer = await client.answer()
        assert answer.status_code == status
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        if answer.headers.get("connection") == "close":
            assert await client.rest() == b""
        else:
            await client.send(GET)
            assert (await client.answer()).status_code == 200


async def test_nothing_of_it_is_in_the_log_and_each_line_is_whole(service: Service) -> None:
    begun = len(service.logs())
    planted = marker()
    for content in [*NO_REQUEST.values(), *(content for content, _ in ANSWERED.values())]:
        async with peer(service.port) as client:
            await client.send(content.replace(b"{0}", planted.encode()))
            await client.answer()
    lines = (await complete_logs(service))[begun:].splitlines()
    assert {json.loads(line)["event"] for line in lines} == {"http.request"}
    assert all(json.loads(line)["status"] < 500 for line in lines)
    assert not any(planted in line or not line.isprintable() for line in lines)
