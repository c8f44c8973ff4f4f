"""Naughty strings in every place of every route get a proper answer, and memory stays flat."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import cycle, islice, product

import httpx2
import pytest

from app.dev import Servers
from tests.server.test_request_heads import ANSWERED, NO_REQUEST, TOO_LONG
from tests.support.connections import Peer
from tests.support.database import Sql
from tests.support.depth import depth
from tests.support.hostile import STRINGS, forms, raw
from tests.support.people import COOKIE, login, new_person
from tests.support.servers import Service
from tests.support.waiting import client_of, complete_logs

pytestmark = pytest.mark.requirement("E1", "E2", "E5")

MEGABYTE = 1 << 20
LIMITS = ("LOGIN_LIMIT_ACCOUNT", "LOGIN_LIMIT_ADDRESS", "LOGIN_LIMIT_GLOBAL", "REFRESH_LIMIT")
HEADERS = (
    "Accept",
    "Access-Control-Request-Method",
    "Connection",
    "Content-Type",
    "Cookie",
    "Expect",
    "Forwarded",
    "Host",
    "If-None-Match",
    "Origin",
    "Range",
    "Sec-Fetch-Site",
    "Upgrade",
    "User-Agent",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Request-ID",
)
READ_BY_REFRESH = {"Content-Type", "Cookie", "Origin", "Sec-Fetch-Site", "X-Forwarded-For", "X-Request-ID"}


@pytest.fixture(scope="module")
def attacked(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service of this file's own, which trusts its proxy and has no low limits."""
    open_to_all = {f"AUTH_{name}": "1000000/1" for name in LIMITS} | {"AUTH_TRUSTED_PROXIES": "127.0.0.1"}
    with Service(environment | open_to_all, tmp_path_factory.mktemp("attacked")) as service:
        yield service


class Attacker:
    """Sends requests one after another, over a new connection whenever the last one has ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._peer: Peer | None = None
        self.answers: Counter[int] = Counter()

    async def send(self, request: bytes, body: bytes = b"") -> httpx2.Response:
        """The answer, which is a proper one for every request."""
        self._peer = self._peer or await Peer.to(self._port)
        await self._peer.send(request + body)
        answer = await self._peer.answer(to_head=request.startswith(b"HEAD"))
        several = request.find(b"\r\n\r\n") != len(request) - 4
        if several or answer.headers.get("connection") == "close":
            await self.close()
        self.answers[answer.status_code] += 1
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", request
            problem = json.loads(answer.content or b"{}")
            assert problem.get("status", answer.status_code) == answer.status_code, request
            assert answer.status_code < 500 or problem.get("code") == "overloaded", request
        assert answer.headers["x-request-id"].isascii()
        return answer

    async def post(self, path: str, body: bytes, *headers: bytes) -> httpx2.Response:
        fixed = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
        return await self.send(request(b"POST", path.encode(), *fixed, *headers), body)

    async def close(self) -> None:
        if self._peer is not None:
            await self._peer.close()
            self._peer = None


def request(method: bytes, path: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join((b"%b %b HTTP/1.1" % (method, path), b"Host: localhost", *headers, b"", b""))


@pytest.fixture
async def attacker(attacked: Service) -> AsyncIterator[Attacker]:
    attacker = Attacker(attacked.port)
    begun = len(attacked.logs())
    yield attacker
    await attacker.close()
    async with client_of(attacked) as client:
        assert (await client.get("/readyz")).status_code == 200
    lines = (await complete_logs(attacked))[begun:].split("\n")[:-1]
    events = Counter(json.loads(line)["event"] for line in lines)
    # A busy machine may be late with the index of revoked tokens, which no request is to blame for.
    expected = {"http.request", "login.failed", "login.succeeded", "password.change_failed"}
    assert {event for event in events if not event.startswith("revocations.")} <= expected
    assert events["http.request"] >= attacker.answers.total()
    assert all(line.isprintable() for line in lines)


@pytest.fixture
async def tokens(attacked: Service, sql: Sql) -> dict[str, str]:
    """The tokens of a person."""
    async with client_of(attacked) as client:
        opened: dict[str, str] = (await login(client, await new_person(sql))).json()
    return opened


async def test_a_login_takes_any_text_for_wrong_credentials_or_no_address(attacker: Attacker) -> None:
    # A password that is too long is not hashed, so there is time for every address.
    attempts = [(text, "x" * 1025) for text in STRINGS] + [("a@example.com", text) for text in STRINGS[::4]]
    for email, password in attempts:
        body = json.dumps({"email": email, "password": password, "client": "native"})
        assert (await attacker.post("/login", body.encode())).status_code in {401, 422}, (email, password)
    assert min(attacker.answers[401], attacker.answers[422]) > len(STRINGS) // 8


async def test_a_field_takes_any_text_for_a_wrong_value_and_any_name_for_an_unknown_one(
    attacker: Attacker,
) -> None:
    for text in STRINGS:
        good = {"email": "a@example.com", "password": "long enough for a login", "client": "native"}
        bodies = (good | {"client": text}, good | {text: text}, [text])
        escaped = [json.dumps(body).encode() for body in bodies]
        for written in (*escaped, raw(json.dumps(bodies[0], ensure_ascii=False)), raw(text)):
            assert (await attacker.post("/login", written)).status_code in {413, 422}, text


async def test_a_refresh_token_takes_any_text_for_no_token(attacker: Attacker) -> None:
    for text in STRINGS:
        body = json.dumps({"refresh_token": text}).encode()
        assert (await attacker.post("/refresh", body)).status_code in {401, 422}, text
        assert (await attacker.post("/logout", body)).status_code in {204, 422}, text
        assert (await attacker.post("/logout/all", body)).status_code in {401, 422}, text
        cookie = b"Cookie: %b=%b" % (COOKIE.encode(), raw(text))
        for path in (b"/refresh", b"/logout", b"/logout/all"):
            await attacker.send(request(b"POST", path, cookie))


async def test_an_access_token_takes_any_text_for_no_token(attacker: Attacker) -> None:
    for text in STRINGS:
        authorization = b"Authorization: Bearer " + raw(text)
        for method, path in ((b"GET", b"/me"), (b"GET", b"/sessions"), (b"DELETE", b"/sessions/x")):
            answer = await attacker.send(request(method, path, authorization))
            assert answer.status_code in {400, 401}, text
        await attacker.send(request(b"POST", b"/logout", authorization))
        assert (await attacker.post("/password", b"{}", authorization)).status_code in {400, 422}, text


async def test_a_path_and_a_query_take_any_text(attacker: Attacker, tokens: dict[str, str]) -> None:
    bearer = b"Authorization: Bearer " + tokens["access_token"].encode()
    for text in STRINGS:
        for form in forms(text):
            await attacker.send(request(b"GET", b"/" + form))
            await attacker.send(request(b"HEAD", b"/.well-known/" + form))
            await attacker.send(request(b"DELETE", b"/sessions/" + form, bearer))
            await attacker.send(request(b"GET", b"/.well-known/jwks.json?%b=%b" % (form, form)))


@pytest.mark.parametrize("every", depth(4, 1))
async def test_a_header_takes_any_text(attacker: Attacker, every: int) -> None:
    # Strings of a kind stand together, so a header that meets each fourth of them meets every kind.
    for text, name in islice(product(STRINGS, HEADERS), 0, None, every):
        header = b"%b: %b" % (name.encode(), raw(text))
        path = b"/refresh" if name in READ_BY_REFRESH else b"/.well-known/jwks.json"
        await attacker.send(request(b"POST" if name in READ_BY_REFRESH else b"GET", path, header))


async def test_a_session_keeps_no_text_that_its_owner_cannot_be_shown(
    attacker: Attacker, tokens: dict[str, str]
) -> None:
    bearer = b"Authorization: Bearer " + tokens["access_token"].encode()
    token = tokens["refresh_token"]
    for text in STRINGS:
        said = (b"User-Agent: " + raw(text), b"X-Forwarded-For: " + raw(text))
        answer = await attacker.post("/refresh", json.dumps({"refresh_token": token}).encode(), *said)
        if answer.status_code == 200:
            token = answer.json()["refresh_token"]
        assert (await attacker.send(request(b"GET", b"/sessions", bearer))).status_code == 200, text


async def test_a_password_takes_any_text_for_a_wrong_one(attacker: Attacker, tokens: dict[str, str]) -> None:
    bearer = b"Authorization: Bearer " + tokens["access_token"].encode()
    for text in STRINGS[::4]:
        body = json.dumps({"current_password": text, "new_password": text}).encode()
        assert (await attacker.post("/password", body, bearer)).status_code in {401, 413, 422}, text


def hostile() -> Iterator[bytes]:
    """Requests of all the kinds, without end and without hashing."""
    bytes_of = [*NO_REQUEST.values(), *TOO_LONG.values(), *(content for content, _ in ANSWERED.values())]
    for text, content in zip(cycle(STRINGS), cycle(bytes_of), strict=False):
        body = json.dumps({"refresh_token": text, text: [text]}).encode()
        yield content
        yield request(b"GET", b"/" + next(forms(text)), b"User-Agent: " + raw(text), b"Cookie: " + raw(text))
        yield request(b"GET", b"/me", b"Authorization: Bearer " + raw(text))
        yield (
            request(
                b"POST", b"/refresh", b"Content-Type: application/json", b"Content-Length: %d" % len(body)
            )
            + body
        )


@pytest.mark.parametrize("number", depth(750, 30_000))
async def test_hostile_requests_leave_no_memory_behind(
    attacked: Service, attacker: Attacker, number: int
) -> None:
    (worker,) = attacked.worker_processes()
    memory = worker.memory_info
    requests = hostile()
    for request in islice(requests, 750):
        await attacker.send(request)
    before = memory().rss
    for request in islice(requests, number):
        await attacker.send(request)
    assert memory().rss - before < 4 * MEGABYTE
