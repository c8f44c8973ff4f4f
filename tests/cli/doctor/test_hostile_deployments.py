"""What a deployment answers may be anything: it moves no cursor, ends no command and fills no memory."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from app.cli.doctor import asking, deployment
from app.cli.doctor.asking import Asker
from app.cli.doctor.findings import Finding, in_words
from app.wiring import utc_now

BOMB = gzip.compress(b" " * (50 * asking.MAX_BODY))


def read_from(body: bytes) -> AsyncIterator[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    return chunks()


async def looked_at(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> list[Finding]:
    """What is found of a server that answers everything so."""

    def answer(_: httpx.Request) -> httpx.Response:
        sent = {"Content-Type": "application/json", **(headers or {})}
        return httpx.Response(status, headers=sent, content=read_from(body))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        asker = Asker("https://auth.example.com", client)
        return await deployment.looked_at(asker, insecure=False, expected=None, clock=utc_now)


@pytest.mark.parametrize("status", [200, 300, 302, 304, 404, 502])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"status": [], "issuer": {}, "jwks_uri": [], "keys": {}}).encode(),
        json.dumps({"status": {}, "issuer": "\ud800", "keys": [None, 1, {}]}).encode(),
        b'{"a":' + b"[" * 200_000,
        b"\xff\xfe",
        b"",
    ],
    ids=["of other kinds", "surrogates", "deep", "no text", "nothing"],
)
async def test_whatever_comes_is_told_as_a_problem(body: bytes, status: int) -> None:
    findings = await looked_at(body, status)
    assert any(finding.level == "problem" for finding in findings)
    in_words(findings).encode()


async def test_control_characters_reach_no_terminal() -> None:
    evil = "\x1b]0;title\x07\u202e\x9b2J"
    body = {"status": "ready", evil: "failing", "issuer": f"https://{evil}", "jwks_uri": f"https://{evil}/"}
    headers = {"Set-Cookie": f"{evil.encode('ascii', 'ignore').decode()}=1", "X-Evil": "1"}
    told = in_words(await looked_at(json.dumps(body).encode(), headers=headers))
    assert all(letter.isprintable() or letter == "\n" for letter in told)
    assert "title" in told


async def test_an_endless_or_packed_answer_is_read_up_to_a_bound() -> None:
    for body, packed in ((b" " * (3 * asking.MAX_BODY), {}), (BOMB, {"Content-Encoding": "gzip"})):

        def answer(_: httpx.Request, body: bytes = body, packed: dict[str, str] = packed) -> httpx.Response:
            return httpx.Response(200, headers=packed, content=read_from(body))

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            heard = await Asker("https://auth.example.com", client)("GET /livez")
        assert isinstance(heard, httpx.Response)
        assert 0 < len(heard.content) <= asking.MAX_BODY
