"""Headers on every answer: what tells a browser to be careful, and the id that names the request."""

import asyncio
import re
from typing import Any

import httpx2
import pytest

from app.dev import Servers
from app.main import create_app
from tests.support.people import COOKIE, Person, everything, login, marker
from tests.support.servers import Service
from tests.support.waiting import client_of

pytestmark = pytest.mark.requirement("C6", "E5")

REQUEST_ID = re.compile(r"[0-9a-f]{32}")
PREFLIGHT = {"Origin": "https://evil.example.net", "Access-Control-Request-Method": "POST"}
REQUESTS: dict[str, tuple[int, dict[str, Any]]] = {
    "an answer": (200, {"method": "GET", "url": "/livez"}),
    "the key set": (200, {"method": "GET", "url": "/.well-known/jwks.json"}),
    "an unchanged key set": (
        304,
        {"method": "GET", "url": "/.well-known/jwks.json", "headers": {"If-None-Match": "*"}},
    ),
    "the document": (200, {"method": "GET", "url": "/openapi.json"}),
    "a HEAD": (200, {"method": "HEAD", "url": "/readyz"}),
    "no content": (204, {"method": "POST", "url": "/logout"}),
    "no token": (401, {"method": "GET", "url": "/me"}),
    "another site": (
        403,
        {
            "method": "POST",
            "url": "/refresh",
            "headers": {"Sec-Fetch-Site": "cross-site", "Cookie": f"{COOKIE}=x"},
        },
    ),
    "a refused preflight": (403, {"method": "OPTIONS", "url": "/login", "headers": PREFLIGHT}),
    "no such path": (404, {"method": "GET", "url": "/nowhere"}),
    "no such method": (405, {"method": "GET", "url": "/login"}),
    "a long body": (413, {"method": "POST", "url": "/login", "content": b"x" * 20_000}),
    "another type": (415, {"method": "POST", "url": "/login", "content": b"x"}),
    "a wrong body": (422, {"method": "POST", "url": "/login", "json": {}}),
    "long headers": (431, {"method": "GET", "url": "/livez", "headers": {"X-Long": "x" * 17_000}}),
}


@pytest.mark.parametrize("kind", REQUESTS)
async def test_every_answer_carries_the_security_headers(client: httpx2.AsyncClient, kind: str) -> None:
    status, request = REQUESTS[kind]
    answer = await client.request(**request)
    assert answer.status_code == status
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "server" not in answer.headers


@pytest.mark.parametrize("kind", REQUESTS)
async def test_every_answer_gives_back_the_id_of_its_request(client: httpx2.AsyncClient, kind: str) -> None:
    status, request = REQUESTS[kind]
    headers = request.get("headers", {})
    for offered in (marker(), "a", "A.b_c-9", "x" * 64):
        answer = await client.request(**request | {"headers": headers | {"X-Request-ID": offered}})
        assert answer.status_code == status
        assert answer.headers.get_list("x-request-id") == [offered]
    assert REQUEST_ID.fullmatch((await client.request(**request)).headers["x-request-id"])


@pytest.mark.parametrize(
    "offered", ["x" * 65, "x" * 5000, "", "{0} {0}", "{0}/{0}", "{0};", '"{0}"', "<{0}>", "%0d%0a{0}", "{0}é"]
)
async def test_a_malformed_request_id_is_replaced(client: httpx2.AsyncClient, offered: str) -> None:
    planted = marker()
    headers = {b"X-Request-ID": offered.format(planted).encode()}
    answer = await client.get("/livez", headers=headers)
    (given,) = answer.headers.get_list("x-request-id")
    assert REQUEST_ID.fullmatch(given)
    assert planted not in everything(answer)


async def test_of_two_ids_none_breaks_the_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/livez", headers=[("X-Request-ID", "first"), ("X-Request-ID", "second")])
    assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize(
    "value", [b"a\rInjected: yes", b"a\nInjected: yes", b"a\r\n\tInjected: yes", b"a\x00b", b"\x7f", b"\xff"]
)
async def test_a_request_id_cannot_split_the_answer(service: Service, value: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: " + value + b"\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"injected" not in answer.lower()
    for given in re.findall(rb"(?i)\r\nx-request-id: ([^\r]*)\r\n", answer):
        assert re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", given)


async def test_no_hsts_where_the_issuer_is_not_https(client: httpx2.AsyncClient) -> None:
    assert "strict-transport-security" not in (await client.get("/livez")).headers


async def test_hsts_on_every_answer_where_the_issuer_is_https(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, person: Person
) -> None:
    secure = environment | {"AUTH_ISSUER": "https://auth.example.com"}
    with Service(secure, tmp_path_factory.mktemp("https")) as service:
        async with client_of(service) as client:
            answers = [await client.request(**request) for _, request in REQUESTS.values()]
            answers.append(await login(client, person))
    for answer in answers:
        seconds = re.match(r"max-age=(\d+)", answer.headers["strict-transport-security"])
        assert seconds
        assert int(seconds[1]) >= 31_536_000


@pytest.mark.parametrize("value", ["off", "max-age=0", "max-age=9; includeSubDomains"])
async def test_hsts_is_what_the_setting_says(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    settings = {"AUTH_ISSUER": "https://auth.example.com", "AUTH_HSTS": value}
    for name, text in (environment | settings).items():
        monkeypatch.setenv(name, text)
    transport = httpx2.ASGITransport(create_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://proxied") as client:
        answer = await client.get("/livez")
    assert answer.headers.get("strict-transport-security", "off") == value
