"""Which connections to /events are opened, how many, and when they end."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.support.connections import peer
from tests.support.people import Person, login, problem_of
from tests.support.servers import Service
from tests.support.sockets import HEAD, code, heard, opened, say
from tests.support.waiting import client_of, eventually

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


@pytest.mark.parametrize("origin", ["https://evil.example.net", "null", f"{APP}."])
async def test_pages_of_other_origins_open_no_connection(own: Service, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(own, origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body or b"")["code"] == "cross_site_request"


async def test_a_path_that_only_ends_alike_is_refused_and_others_are_ordinary_requests(own: Service) -> None:
    for path, status in (("/no/events", 403), ("/livez", 200), ("/nothing", 404)):
        with pytest.raises(InvalidStatus) as refused:
            async with opened(own, path):
                pass
        assert refused.value.response.status_code == status


async def test_a_request_without_an_upgrade_finds_nothing(own: Service, http: httpx2.AsyncClient) -> None:
    problem_of(await http.get("/events"), 404, "not_found")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD.replace("/events", "/events?access_token=secret") + "\r\n", 101),
        (HEAD.replace("Version: 13", "Version: 7") + "\r\n", 400),
        (HEAD.replace("dGhlIHNhbXBsZSBub25jZQ==", "x") + "\r\n", 400),
        (HEAD + "Content-Length: 3\r\n\r\nabc", 404),
        (HEAD.replace("GET", "POST") + "\r\n", 404),
        (HEAD.replace("1.1", "1.0") + "\r\n", 404),
        (HEAD.replace("Host: localhost\r\n", "") + "\r\n", 400),
        (HEAD + f"X: {'x' * 20_000}\r\n\r\n", 431),
    ],
    ids=range(8),
)
async def test_odd_heads_are_answered_and_the_query_is_in_no_log(
    own: Service, head: str, status: int
) -> None:
    async with peer(own.port) as client:
        await client.send(head.encode())
        assert (await client.answer(to_head=True)).status_code == status
    assert "secret" not in own.logs()
    assert "Traceback" not in own.logs()


async def test_a_session_has_eight_connections(own: Service, tokens: dict[str, Any]) -> None:
    for _ in range(2):
        async with AsyncExitStack() as stack:
            for _ in range(8):
                socket = await stack.enter_async_context(opened(own))
                await say(socket, tokens["access_token"])
                assert (await heard(socket))["type"] == "ready"
            async with opened(own) as last:
                await say(last, tokens["access_token"])
                assert await code(last) == 1013


async def test_a_connection_is_logged_with_its_code(own: Service) -> None:
    request_id = uuid4().hex
    async with opened(own, additional_headers={"X-Request-ID": request_id}) as socket:
        await say(socket, "x")
        assert await code(socket) == 4401

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in own.logs().splitlines() if request_id in line]
        return [line for line in found if line["event"] == "http.websocket_closed"]

    eventually(lines, own.logs)
    assert lines()[0]["code"] == 4401


@pytest.mark.parametrize("drain", ["0", "60"])
async def test_connections_are_closed_when_the_service_ends_or_drains(
    environment: dict[str, str], migrated: object, tmp_path: Path, person: Person, drain: str
) -> None:
    limits = {"AUTH_DRAIN": drain, "AUTH_CONNECTIONS": "16"}
    with Service(environment | limits, tmp_path) as service:
        async with client_of(service) as client:
            token = (await login(client, person)).json()["access_token"]
        async with opened(service) as socket, opened(service) as silent:
            await say(socket, token)
            assert (await heard(socket))["type"] == "ready"
            service.process.send_signal(signal.SIGTERM)
            assert await code(socket) == 1012
            assert await code(silent) == 1012
        service.kill()
        assert "http.unhandled" not in service.logs()


async def test_connections_count_for_the_limits_of_the_server_and_are_given_back(
    environment: dict[str, str], migrated: object, tmp_path: Path
) -> None:
    with Service(environment | {"AUTH_CONNECTIONS_PER_ADDRESS": "6"}, tmp_path) as service:
        for _ in range(3):
            async with AsyncExitStack() as stack:
                for _ in range(6):
                    await stack.enter_async_context(opened(service))
                with pytest.raises((ConnectionError, EOFError, InvalidMessage)):
                    await stack.enter_async_context(opened(service))


async def test_it_goes_when_it_is_switched_off(
    environment: dict[str, str], migrated: object, tmp_path: Path
) -> None:
    with Service(environment | {"AUTH_EVENTS": "off"}, tmp_path) as service:
        with pytest.raises(InvalidStatus) as refused:
            async with opened(service):
                pass
        assert refused.value.response.status_code == 404
