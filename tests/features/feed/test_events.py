"""What is said over the WebSocket at /events, to a client of its own: the ``websockets`` package."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.support.clients import new_client, token_of
from tests.support.connections import peer
from tests.support.database import Sql
from tests.support.people import Person, login
from tests.support.servers import Service
from tests.support.sockets import HEAD, code, heard, opened, say
from tests.support.waiting import client_of

pytestmark = pytest.mark.requirement("L5")

APP, NATIVE = "https://app.example.com", "capacitor://localhost"


@pytest.fixture(scope="module")
def own(migrated: object, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    origins = {"AUTH_ALLOWED_ORIGINS": APP, "AUTH_NATIVE_ORIGINS": NATIVE, "AUTH_ROOT_PATH": "/auth"}
    with Service(environment | origins, tmp_path_factory.mktemp("events")) as service:
        yield service


@pytest.fixture
async def http(own: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(own) as client:
        yield client


@pytest.fixture
async def tokens(http: httpx2.AsyncClient, person: Person) -> dict[str, Any]:
    answer: dict[str, Any] = (await login(http, person)).json()
    return answer


@pytest.mark.parametrize("origin", [None, APP, NATIVE])
async def test_the_end_of_a_session_is_told_and_closes_the_connection(
    own: Service, http: httpx2.AsyncClient, tokens: dict[str, Any], origin: str | None
) -> None:
    async with opened(own, origin=origin) as socket:
        await say(socket, tokens["access_token"])
        ready = await heard(socket)
        assert ready.keys() == {"type", "expires_at"}
        assert ready["type"] == "ready"
        assert type(ready["expires_at"]) is int
        await http.post("/logout", json={"refresh_token": tokens["refresh_token"]})
        assert await heard(socket) == {"type": "session_revoked", "reason": "logout"}
        assert await code(socket) == 4401


async def test_another_session_goes_on_and_another_process_ends_one_as_well(
    own: Service, client: httpx2.AsyncClient, tokens: dict[str, Any], person: Person
) -> None:
    other = (await login(client, person)).json()
    async with opened(own) as socket, opened(own) as second:
        for each, token in ((socket, tokens), (second, other)):
            await say(each, token["access_token"])
            assert (await heard(each))["type"] == "ready"
        # The fixture's client asks another process.
        await client.post("/logout", json={"refresh_token": other["refresh_token"]})
        assert await heard(second) == {"type": "session_revoked", "reason": "logout"}
        assert await code(second) == 4401
        await say(socket, tokens["access_token"])
        assert (await heard(socket))["type"] == "ready"


async def test_the_path_below_the_root_path_is_served_too(own: Service, tokens: dict[str, Any]) -> None:
    async with opened(own, "/auth/events") as socket:
        await say(socket, tokens["access_token"])
        assert (await heard(socket))["type"] == "ready"


async def test_a_client_renews_with_another_token_of_the_same_session(
    own: Service, http: httpx2.AsyncClient, tokens: dict[str, Any], person: Person
) -> None:
    other = (await login(http, person)).json()
    async with opened(own) as socket:
        await say(socket, tokens["access_token"])
        first = await heard(socket)
        renewed = (await http.post("/refresh", json={"refresh_token": tokens["refresh_token"]})).json()
        await say(socket, renewed["access_token"])
        assert (await heard(socket))["expires_at"] >= first["expires_at"]
        await say(socket, other["access_token"])
        assert await code(socket) == 4401


async def test_a_token_that_is_not_valid_or_not_of_a_session_is_not_accepted(
    own: Service, http: httpx2.AsyncClient, sql: Sql, tokens: dict[str, Any]
) -> None:
    await http.post("/logout", json={"refresh_token": tokens["refresh_token"]})
    service_client = await token_of(http, await new_client(sql, "a"))
    for token in ("x", tokens["access_token"], service_client):
        async with opened(own) as socket:
            await say(socket, token)
            assert await code(socket) == 4401


MALFORMED = [
    ("x", 1008),
    ("[]", 1008),
    ("{}", 1008),
    ('{"type":"authenticate"}', 1008),
    ('{"type":"authenticate","access_token":7}', 1008),
    ('{"type":"other","access_token":"x"}', 1008),
    ("[" * 4000, 1008),
    (b'{"type":"authenticate","access_token":"x"}', 1003),
    ("x" * 8193, 1009),
    (b"x" * 100_000, 1009),
]


@pytest.mark.parametrize(("message", "expected"), MALFORMED, ids=lambda value: str(value)[:40])
async def test_another_first_message_closes_the_connection(
    own: Service, message: str | bytes, expected: int
) -> None:
    async with opened(own) as socket:
        await socket.send(message)
        assert await code(socket) == expected


async def test_a_message_in_too_many_empty_pieces_closes_the_connection(own: Service) -> None:
    async with peer(own.port) as client:
        await client.send(f"{HEAD}\r\n".encode())
        assert (await client.answer(to_head=True)).status_code == 101
        first, more = b"\x01\x80mask", b"\x00\x80mask"
        await client.send(first + 16 * more)
        assert (await client.rest())[:4] == b"\x88\x02" + (1009).to_bytes(2, "big")


async def test_nothing_is_compressed(own: Service) -> None:
    async with opened(own, compression="deflate") as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
