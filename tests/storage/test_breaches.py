"""The look-up of breached passwords sends five letters of a hash, and fails open."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
import structlog

from app.storage.breaches import MAX_ANSWER, BreachedPasswords
from tests.support.breaches import PADDING, Answer, RangeServer, digest, listing, range_server, said
from tests.support.servers import free_port

STOLEN = "correct horse battery staple"
DIGEST = digest(STOLEN)
HIT = f"{DIGEST[5:]}:3"
PATIENCE, IMPATIENCE = 120.0, 0.2


@pytest.fixture
async def server() -> AsyncIterator[RangeServer]:
    async with range_server() as server:
        yield server


@pytest.fixture
async def breaches(server: RangeServer) -> AsyncIterator[BreachedPasswords]:
    breaches = BreachedPasswords(f"{server.url}/", PATIENCE)
    yield breaches
    await breaches.close()


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Send nothing until the client closes the connection."""
    await reader.read()


async def dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a line every now and then, without end."""
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        writer.write(f"{HIT}\r\n".encode())
        await writer.drain()
        await asyncio.sleep(IMPATIENCE / 10)


async def gone(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection in the middle of the answer."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{HIT}\r\n".encode())


async def babbling(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01\x02 what?\r\n\r\n")


async def test_five_letters_of_the_hash_are_sent_and_the_rest_is_compared_here(
    server: RangeServer, breaches: BreachedPasswords
) -> None:
    server.answer = listing("something else", STOLEN)
    assert await breaches.holds(DIGEST)
    server.answer = listing("something else")
    assert not await breaches.holds(DIGEST)
    assert server.paths == [f"/range/{DIGEST[:5]}"] * 2
    for head in server.heads:
        assert {"add-padding: true", "user-agent: watchword"} <= set(head.lower().splitlines())
        assert DIGEST[5:] not in head
        assert "cookie" not in head.lower()


@pytest.mark.parametrize(
    ("body", "held"),
    [
        (f"{PADDING}{HIT}", True),
        (f"{'0' * 35}:1\n{HIT}\r\n{'1' * 35}:2\n", True),
        (f"\n\n  {HIT.lower()}  \n\n", True),
        (f"{DIGEST[5:]}:0\r\n{HIT}", True),
        (f"{PADDING}{DIGEST[5:]}:0\r\n", False),
        (f"{DIGEST[:5]}{'0' * 30}:7", False),
        (PADDING, False),
        ("", False),
    ],
    ids=["last", "mixed line ends", "lower case", "padding too", "padding only", "another", "none", "empty"],
)
async def test_a_count_of_zero_is_padding_and_any_line_end_is_accepted(
    server: RangeServer, breaches: BreachedPasswords, body: str, held: bool
) -> None:
    server.answer = said(body)
    with structlog.testing.capture_logs() as logs:
        assert await breaches.holds(DIGEST) is held
    assert logs == []


FAILURES: dict[str, tuple[Answer, str]] = {
    "it closes the connection": (gone, "RemoteProtocolError"),
    "it does not speak HTTP": (babbling, "RemoteProtocolError"),
    "it has an internal error": (said(HIT, status="500 Internal Server Error"), "status 500"),
    "it limits the rate": (said(HIT, status="429 Too Many Requests"), "status 429"),
    "it redirects": (said("", "Location: /range/elsewhere", status="302 Found"), "status 302"),
    "it answers with a page": (said("<html>"), "not of the protocol"),
    "it goes on with a page": (said(f"{HIT}\r\n<html>"), "not of the protocol"),
    "it compresses its answer": (
        said(gzip.compress(HIT.encode()), "Content-Encoding: gzip"),
        "not of the protocol",
    ),
    "it sends too much": (said(f"{HIT}\r\n" * (MAX_ANSWER // len(HIT))), "answer too long"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_an_invalid_answer_refuses_no_password_and_is_logged(
    server: RangeServer, breaches: BreachedPasswords, failure: str
) -> None:
    server.answer, reason = FAILURES[failure]
    with structlog.testing.capture_logs() as logs:
        assert not await breaches.holds(DIGEST)
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("password.breach_check_failed", "warning")
    assert reason in line["reason"]
    assert DIGEST[:5] not in str(line)
    # A redirection is not followed, and nothing is tried twice.
    assert len(server.heads) == 1


@pytest.mark.parametrize("answer", [silent, dripping])
@pytest.mark.requirement("E7")
async def test_a_slow_server_is_given_up(server: RangeServer, answer: Answer) -> None:
    breaches, server.answer = BreachedPasswords(server.url, IMPATIENCE), answer
    with structlog.testing.capture_logs() as logs:
        assert not await breaches.holds(DIGEST)
    (line,) = logs
    assert "Timeout" in line["reason"]
    await breaches.close()


async def test_a_server_that_is_down_refuses_no_password() -> None:
    breaches = BreachedPasswords(f"http://127.0.0.1:{free_port()}", PATIENCE)
    with structlog.testing.capture_logs() as logs:
        assert not await breaches.holds(DIGEST)
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("password.breach_check_failed", "ConnectError")
    ]
    await breaches.close()


async def test_a_proxy_named_by_the_environment_is_not_used(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    breaches = BreachedPasswords(server.url)
    server.answer = listing(STOLEN)
    assert await breaches.holds(DIGEST)
    await breaches.close()
