"""The feed over HTTP: what a listener is sent, and when its connection ends."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from tests.support.clients import new_client, oauth_error, token_of
from tests.support.connections import Peer, peer
from tests.support.database import Sql
from tests.support.feeds import bearing, listener_token, listening
from tests.support.people import Person, login, problem_of
from tests.support.servers import Service, app
from tests.support.waiting import client_of, logged, until

pytestmark = pytest.mark.requirement("L4")

PATH = "/revocations"


async def test_a_stream_begins_as_the_contract_has_it(client: httpx2.AsyncClient, sql: Sql) -> None:
    _, token = await listener_token(client, sql)
    async with listening(client, token) as heard:
        headers = heard.answer.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Accel-Buffering"] == "no"
        assert "Content-Length" not in headers
        event = await heard.event()
        assert (event.name, event.data) == ("ready", {})
        assert re.fullmatch(r"[0-9a-f]{12}\.[0-9_-]+", event.id)
        assert heard.lines == ["retry: 2000", "", f"id: {event.id}", "event: ready", "data: {}", ""]


async def test_a_logout_is_an_event(client: httpx2.AsyncClient, sql: Sql, person: Person) -> None:
    _, token = await listener_token(client, sql)
    tokens = (await login(client, person)).json()
    async with listening(client, token) as heard:
        assert (await heard.event()).name == "ready"
        await client.post("/logout", json={"refresh_token": tokens["refresh_token"]})
        while (event := await heard.event()).data["sub"] != str(person.id):
            pass  # Other tests end sessions as well.
    assert event.name == "session-revoked"
    assert event.data.keys() == {"sid", "sub", "status", "exp", "reason"}
    assert event.data["reason"] == "logout"


async def test_who_may_not_listen_is_refused(client: httpx2.AsyncClient, sql: Sql, person: Person) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
        refused = await client.get(PATH, headers=headers)
        problem_of(refused, 401, "invalid_token")
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    other = await token_of(client, await new_client(sql, "introspect"))
    for token in (other, (await login(client, person)).json()["access_token"]):
        refused = await client.get(PATH, headers=bearing(token))
        oauth_error(refused, 403, "insufficient_scope")
        challenge = 'Bearer error="insufficient_scope", scope="revocations:read"'
        assert refused.headers["WWW-Authenticate"] == challenge


async def test_head_answers_the_head_alone_and_waits_for_nothing(
    client: httpx2.AsyncClient, sql: Sql, service: Service
) -> None:
    _, token = await listener_token(client, sql)
    answer = await client.head(PATH, headers=bearing(token))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "text/event-stream"
    problem_of(await client.get("/me"), 401, "invalid_token")
    assert (await client.head(PATH)).status_code == 401


async def test_a_stream_is_logged_once_it_has_ended(
    client: httpx2.AsyncClient, sql: Sql, service: Service
) -> None:
    _, token = await listener_token(client, sql)
    request_id = uuid4().hex
    headers = bearing(token) | {"X-Request-ID": request_id}
    async with client.stream("GET", PATH, headers=headers) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        # Logins are answered while streams go on.
        problem_of(
            await client.post("/login", json={"email": "x@example.com", "password": "x"}),
            401,
            "invalid_credentials",
        )
        assert request_id not in service.logs()
    # The client has gone.
    line = logged(service, "http.request", request_id)
    assert (line["route"], line["method"], line["status"]) == (PATH, "GET", 200)


async def test_an_id_that_is_no_header_value_of_ours_is_a_reset(client: httpx2.AsyncClient, sql: Sql) -> None:
    _, token = await listener_token(client, sql)
    for resumes_after in ("7f3a1c9e.757", "x" * 8000):
        async with listening(client, token, resumes_after) as heard:
            assert [(await heard.event()).name for _ in range(2)] == ["reset", "ready"]


@pytest.fixture
async def own(environment: dict[str, str], migrated: object, tmp_path: Path) -> AsyncIterator[Service]:
    """A service of this test's own, to end."""
    with Service(environment | {"AUTH_DRAIN": "60"}, tmp_path) as service:
        yield service
        service.kill()  # It would drain for a minute.


async def test_streams_end_when_the_service_begins_to_drain_and_none_begins(own: Service, sql: Sql) -> None:
    async with client_of(own) as client:
        _, token = await listener_token(client, sql)
        async with listening(client, token) as heard, listening(client, token) as other:
            for each in (heard, other):
                assert (await each.event()).name == "ready"
            own.process.send_signal(signal.SIGTERM)
            assert await heard.rest() == []
            assert await other.rest() == []
        refused = await client.get(PATH, headers=bearing(token))
        problem_of(refused, 503, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        assert (await client.get("/livez")).status_code == 200


async def test_streams_do_not_delay_the_end_of_the_service(
    environment: dict[str, str], migrated: object, tmp_path: Path, sql: Sql
) -> None:
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            _, token = await listener_token(client, sql)
            async with listening(client, token) as heard:
                assert (await heard.event()).name == "ready"
                ending = asyncio.create_task(asyncio.to_thread(service.terminate))
                assert await heard.rest() == []
            assert await ending == 0
    assert "Cancel" not in service.logs()
    assert "http.unhandled" not in service.logs()


async def test_a_replaced_worker_ends_its_streams_which_begin_anew_at_its_successor(
    own: Service, sql: Sql
) -> None:
    async with client_of(own) as client:
        _, token = await listener_token(client, sql)
        (before,) = own.worker_processes()
        async with listening(client, token) as heard:
            resumes_after = (await heard.event()).id
            own.process.send_signal(signal.SIGHUP)
            assert await heard.rest() == []
        async with listening(client, token, resumes_after) as heard:
            assert (await heard.event()).name == "ready"

        async def is_gone() -> bool:
            return not psutil.pid_exists(before.pid)

        await until(is_gone)


async def test_a_client_that_goes_makes_room(own: Service, sql: Sql) -> None:
    """More come and go one after the other than there is room for at a time."""
    async with client_of(own) as client:
        _, token = await listener_token(client, sql)
        head = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        for _ in range(3):
            peers = [await Peer.to(own.port) for _ in range(100)]
            for each in peers:
                await each.send(head.encode())
                assert (await each.answer(to_head=True)).status_code == 200
            for each in peers:
                await each.close()
        async with peer(own.port) as last:
            await last.send(head.encode())
            assert (await last.answer(to_head=True)).status_code == 200


@pytest.mark.parametrize("switch", ["AUTH_FEED", "AUTH_CLIENTS"])
async def test_it_goes_when_it_is_switched_off(
    environment: dict[str, str], migrated: object, tmp_path: Path, switch: str
) -> None:
    with Service(environment | {switch: "off"}, tmp_path) as service:
        async with client_of(service) as client:
            problem_of(await client.get(PATH), 404, "not_found")
            assert PATH not in (await client.get("/openapi.json")).json()["paths"]
    assert app("clients", "list", environment=environment).returncode == 0
