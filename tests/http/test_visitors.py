"""Where a session was used from, as its owner sees it: an address, and a user agent in words."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, bearing, everything, marker, refresh, sessions_of
from tests.support.servers import Service
from tests.support.waiting import client_of

LONGEST = 256
ON_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0"
)
WORDS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    f"{ON_WINDOWS} Safari/537.36 Edg/138.0.0.0": "Edge on Windows",
    f"{ON_WINDOWS} Safari/537.36": "Chrome on Windows",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1": "Mobile Safari on iOS",
    "curl/8.5.0": "curl",
    "(Linux; U; Android)": "Android",
    "something of our own": None,
    "-": None,
}
# A text in each of them that must not come back.
HOSTILE = {
    "HTML": b"<script>%s</script>",
    "HTML that looks like an app": b"<script>%s</script>-iPhone/1.0 CFNetwork/1.0",
    "HTML that looks like another app": b"<img src=x onerror=%s>/1 CFNetwork/1.0",
    "HTML in a browser's": b"Mozilla/5.0 (X11; <b>%s</b> Linux x86_64) Gecko/20100101 Firefox/140.0",
    "a bot's": b"<%s> bot/1.0",
    "tabs": b"a\t%s\t\tb",
    "latin-1": b"\xe9\xff\xa0\xad%s\x80\x9f",
    "lone surrogates": b"\xed\xa0\x80%s\xed\xb0\x80",
    "text right to left": "\u202e%s\u2066".encode(),
    "SQL": b"'); DROP TABLE sessions; --%s\\'",
    "a pattern": b"%%s$1{0}%s\\1\\g<0>",
    "10 kB": b"Mozilla/5.0 (" + b"(X11; " * 1600 + b"%s",
    "10 kB without a blank": b"%s" + b"A" * 10_000,
}
NO_ADDRESSES = [
    "junk",
    "unknown",
    "300.1.1.1",
    "1.2.3",
    "_hidden",
    "\u00e9".encode("latin-1"),
    "<script>alert(1)</script>",
    "1" * 8000,
    "203.0.113.0/24",
    "::1::",
    "fe80::1%<img src=x onerror=alert(1)>",
    b"fe80::1%\x9b31m",
    "fe80::1%" + "x" * 8000,
]


@pytest.fixture(scope="module")
def service(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service behind a proxy, which is on this machine."""
    behind = environment | {"AUTH_TRUSTED_PROXIES": "127.0.0.1/32"}
    with Service(behind, tmp_path_factory.mktemp("behind")) as service:
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """One that says nothing of itself."""
    async with client_of(service) as client:
        del client.headers["User-Agent"]
        yield client


def coming(user_agent: str | bytes | None = None, forwarded: str | bytes | None = None) -> dict[str, Any]:
    headers = {"User-Agent": user_agent, "X-Forwarded-For": forwarded}
    return {name: value for name, value in headers.items() if value is not None}


async def opened(client: httpx2.AsyncClient, person: Person, headers: dict[str, Any]) -> dict[str, str]:
    credentials = {"email": person.email, "password": PASSWORD, "client": "native"}
    answer = await client.post("/login", json=credentials, headers=headers)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


async def listed(client: httpx2.AsyncClient, access_token: str) -> httpx2.Response:
    answer = await client.get("/sessions", headers=bearing(access_token))
    assert answer.status_code == 200, answer.text
    return answer


async def session_of(client: httpx2.AsyncClient, tokens: dict[str, str]) -> dict[str, Any]:
    (session,) = (await listed(client, tokens["access_token"])).json()["sessions"]
    found: dict[str, Any] = session
    return found


@pytest.mark.parametrize("user_agent", WORDS)
async def test_a_user_agent_is_shown_in_words(
    client: httpx2.AsyncClient, person: Person, user_agent: str
) -> None:
    session = await session_of(client, await opened(client, person, coming(user_agent)))
    assert session["user_agent"] == WORDS[user_agent]


@pytest.mark.parametrize("headers", [{}, {"User-Agent": ""}, {"User-Agent": b"\xa0\xad\x85"}], ids=str)
async def test_a_client_without_a_user_agent_has_none(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str]
) -> None:
    session = await session_of(client, await opened(client, person, headers))
    assert session["user_agent"] is None
    assert [row["user_agent"] for row in await sessions_of(sql, person)] == [None]


async def test_each_refresh_updates_where_the_session_is_used(
    client: httpx2.AsyncClient, person: Person
) -> None:
    firefox, edge = list(WORDS)[:2]
    tokens = await opened(client, person, coming(firefox, "203.0.113.7"))
    first = await session_of(client, tokens)
    assert (first["address"], first["user_agent"]) == ("203.0.113.7", "Firefox on Linux")
    for headers, address, words in (
        (coming(edge, "2001:DB8:0:0::7"), "2001:db8::7", "Edge on Windows"),
        (coming("curl/8.5.0", "198.51.100.1, 203.0.113.9, 127.0.0.1"), "203.0.113.9", "curl"),
        (coming(None, "junk"), None, None),
        (coming(firefox), "127.0.0.1", "Firefox on Linux"),
    ):
        body = {"refresh_token": tokens["refresh_token"]}
        tokens = (await client.post("/refresh", json=body, headers=headers)).json()
        session = await session_of(client, tokens)
        assert (session["address"], session["user_agent"]) == (address, words)
        assert (session["id"], session["created_at"]) == (first["id"], first["created_at"])


async def test_a_request_that_is_no_refresh_does_not_move_a_session(
    client: httpx2.AsyncClient, person: Person
) -> None:
    tokens = await opened(client, person, coming("curl/8.5.0", "203.0.113.7"))
    before = await session_of(client, tokens)
    headers = bearing(tokens["access_token"]) | coming(next(iter(WORDS)), "203.0.113.8")
    for path in ("/me", "/sessions"):
        assert (await client.get(path, headers=headers)).status_code == 200
    assert await session_of(client, tokens) == before


async def test_an_event_names_the_address_and_the_request(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    events = "SELECT kind, address, request_id FROM events WHERE account_id = $1 ORDER BY id"
    tokens = await opened(client, person, coming(None, "203.0.113.7") | {"X-Request-ID": "opened-1"})
    headers = bearing(tokens["access_token"]) | coming(None, "junk") | {"X-Request-ID": "no id"}
    answer = await client.post("/logout", headers=headers)
    assert [tuple(row) for row in await sql.fetch(events, person.id)] == [
        ("login.succeeded", "203.0.113.7", "opened-1"),
        ("session.ended", None, answer.headers["X-Request-ID"]),
    ]


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_user_agent_does_no_harm_and_does_not_come_back(
    client: httpx2.AsyncClient, person: Person, sql: Sql, kind: str
) -> None:
    text = marker()
    headers = coming(HOSTILE[kind].replace(b"%s", text.encode()))
    tokens = await opened(client, person, headers)
    renewed = await client.post("/refresh", json={"refresh_token": tokens["refresh_token"]}, headers=headers)
    answer = await listed(client, renewed.json()["access_token"])
    (session,) = answer.json()["sessions"]
    assert text not in everything(answer)
    words = session["user_agent"]
    assert words is None or (len(words) < 40 and words.isascii() and not set(words) & set("<>&\"'"))
    ((kept, address),) = [(row["user_agent"], row["address"]) for row in await sessions_of(sql, person)]
    assert kept is None or (len(kept) <= LONGEST and kept.isprintable())
    assert address == "127.0.0.1"
    assert (await refresh(client, renewed.json()["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("[2001:db8::7]:51234", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("198.51.100.1:1, 203.0.113.7:51234", "203.0.113.7"),
    ],
)
async def test_a_port_is_no_part_of_a_forwarded_address(
    client: httpx2.AsyncClient, person: Person, forwarded: str, address: str
) -> None:
    # Azure's proxies write it. Each port would have a budget of failures of its own.
    session = await session_of(client, await opened(client, person, coming(None, forwarded)))
    assert session["address"] == address


@pytest.mark.parametrize("forwarded", NO_ADDRESSES, ids=lambda forwarded: ascii(forwarded)[:20])
async def test_a_forwarded_text_that_is_no_address_is_left_out(
    client: httpx2.AsyncClient, person: Person, sql: Sql, forwarded: str | bytes
) -> None:
    session = await session_of(client, await opened(client, person, coming(None, forwarded)))
    assert session["address"] is None
    assert [row["address"] for row in await sessions_of(sql, person)] == [None]


@pytest.mark.parametrize("control", ["\x1b[31m", "\x01", "\x7f", "\x00", "\x0b"], ids=ascii)
async def test_a_request_with_control_characters_in_its_head_is_not_served(
    service: Service, person: Person, sql: Sql, control: str
) -> None:
    body = json.dumps({"email": person.email, "password": PASSWORD, "client": "native"}).encode()
    head = (
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nUser-Agent: a{control}b\r\nX-Forwarded-For: ::1%{control}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(head.encode() + body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert await sessions_of(sql, person) == []
