"""A deployment may answer anything. It cannot control the terminal, end the command or fill the memory."""

import gzip
import json
from collections.abc import AsyncIterator, Mapping

import httpx2
import pytest

from app.cli.doctor.client import MAX_BODY, DeploymentClient
from app.cli.doctor.deployment import check_deployment
from app.cli.doctor.findings import Finding, format_findings
from app.wiring import utc_now

BOMB = gzip.compress(b" " * (50 * MAX_BODY))


def stream_of(body: bytes) -> AsyncIterator[bytes]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    return chunks()


async def check(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> list[Finding]:
    """The findings about a server that answers every request like this."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        sent = {"Content-Type": "application/json", **(headers or {})}
        return httpx2.Response(status, headers=sent, content=stream_of(body))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        client = DeploymentClient("https://auth.example.com", http)
        return await check_deployment(
            client, client.base, insecure=False, expected_issuer=None, clock=utc_now
        )


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
    ids=["other types", "surrogates", "deep nesting", "not text", "empty"],
)
async def test_an_answer_of_any_kind_becomes_a_problem(body: bytes, status: int) -> None:
    findings = await check(body, status)
    assert any(finding.level == "problem" for finding in findings)
    format_findings(findings).encode()


async def test_control_characters_do_not_reach_the_terminal() -> None:
    evil = "\x1b]0;title\x07\u202e\x9b2J"
    body = {"status": "ready", evil: "failing", "issuer": f"https://{evil}", "jwks_uri": f"https://{evil}/"}
    headers = {"Set-Cookie": f"{evil.encode('ascii', 'ignore').decode()}=1", "X-Evil": "1"}
    printed = format_findings(await check(json.dumps(body).encode(), headers=headers))
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    assert "title" in printed


async def test_an_endless_or_compressed_answer_is_read_up_to_a_bound() -> None:
    for body, packed in ((b" " * (3 * MAX_BODY), {}), (BOMB, {"Content-Encoding": "gzip"})):

        def answer(_: httpx2.Request, body: bytes = body, packed: dict[str, str] = packed) -> httpx2.Response:
            return httpx2.Response(200, headers=packed, content=stream_of(body))

        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
            response = await DeploymentClient("https://auth.example.com", http).send("GET /livez")
        assert isinstance(response, httpx2.Response)
        assert 0 < len(response.content) <= MAX_BODY
