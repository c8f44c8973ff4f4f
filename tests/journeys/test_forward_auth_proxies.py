"""Real proxies, configured exactly as the guide shows, let nothing pass that ``/verify`` does not permit."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path

import httpx2
import pytest

from tests.support.clients import new_client, token_of
from tests.support.database import Sql, connect
from tests.support.guards import CERTAIN, Application, application, guarded, program
from tests.support.people import bearing, login, new_person
from tests.support.servers import PrivateServers, Service, migrate
from tests.support.waiting import client_of

pytestmark = pytest.mark.requirement("F2")

PROXIES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            not program(name) and not (name in CERTAIN and os.environ.get("CI") == "true"),
            reason=f"there is no {name}",
        ),
    )
    for name in (*CERTAIN, "traefik", "envoy")
]
NAMES = ("Subject", "Session", "Roles", "Scope")
# As CGI reads them, those of one name are one header.
SPELLINGS = [
    spelling
    for name, first, second in product(NAMES, "-_", "-_")
    for written in (f"X{first}Auth{second}{name}",)
    for spelling in (written, written.lower(), written.upper())
]
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "DELETE"}


@pytest.fixture
def behind() -> Iterator[Application]:
    with application() as running:
        yield running


@pytest.fixture(params=PROXIES)
async def proxy(
    request: pytest.FixtureRequest, service: Service, behind: Application, tmp_path: Path
) -> AsyncIterator[httpx2.AsyncClient]:
    with guarded(request.param, service.port, behind, tmp_path) as client:
        async with client:
            yield client


async def signed_in(
    client: httpx2.AsyncClient, sql: Sql, *roles: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The headers of a new person with these roles, and the identity that the application has to see."""
    person = await new_person(sql, *roles)
    headers = bearing((await login(client, person)).json()["access_token"])
    session = await sql.fetchval("SELECT id FROM sessions WHERE account_id = $1", person.id)
    identity = {"X_AUTH_SUBJECT": str(person.id), "X_AUTH_SESSION": str(session)}
    return headers, identity | ({"X_AUTH_ROLES": ",".join(roles)} if roles else {})


async def test_the_application_sees_who_it_is_and_nothing_that_the_client_says_about_it(
    proxy: httpx2.AsyncClient, behind: Application, client: httpx2.AsyncClient, sql: Sql
) -> None:
    service_client = await new_client(sql, "orders:read", "orders:write")
    of_client = bearing(await token_of(client, service_client))
    scopes = {"X_AUTH_SUBJECT": str(service_client.id), "X_AUTH_SCOPE": "orders:read orders:write"}
    callers = [
        await signed_in(client, sql, "admin", "editor"),
        await signed_in(client, sql),
        (of_client, scopes),
    ]
    for headers, identity in callers:
        assert (await proxy.get("/orders?a=b", headers=headers)).json() == identity
        assert behind.seen[-1].line.startswith("GET /orders?a=b HTTP/1.")
        for spelling in SPELLINGS:
            once = [(spelling, "root")]
            for spoofed in once, once * 2, [(spelling, "")], [*once, ("Connection", "close")]:
                answer = await proxy.get("/", headers=[*headers.items(), *spoofed])
                assert (answer.status_code, answer.json()) == (200, identity), spoofed


async def test_no_connection_header_takes_the_identity_away(
    proxy: httpx2.AsyncClient, client: httpx2.AsyncClient, sql: Sql
) -> None:
    headers, identity = await signed_in(client, sql, "editor")
    named = ", ".join(f"X-Auth-{name}" for name in NAMES)
    for connection in (named, f"keep-alive, {named}", f"close, {named}"):
        answer = await proxy.get("/", headers=headers | {"Connection": connection, "X-Auth-Roles": "root"})
        assert answer.status_code in {200, 400}
        assert answer.status_code == 400 or answer.json() == identity


async def test_without_a_good_token_the_application_is_not_reached(
    proxy: httpx2.AsyncClient, behind: Application, client: httpx2.AsyncClient, sql: Sql
) -> None:
    headers, _ = await signed_in(client, sql, "editor")
    good = headers["Authorization"]
    attempts = [
        [],
        [("Authorization", f"{good}x")],
        [("Authorization", good.replace("Bearer", "Basic"))],
        [("Authorization", "Bearer x"), ("Authorization", good)],
        [("Authorization", good), ("Authorization", "Bearer x")],
        [("X-Original-URL", "/"), ("X-Forwarded-Uri", "/"), ("X-Forwarded-Method", "OPTIONS")],
        [("Cookie", f"access_token={good.partition(' ')[2]}")],
        [("Connection", "Authorization"), ("Authorization", "Bearer x")],
        [(f"X-Auth-{name}", "root") for name in NAMES],
    ]
    for path in ("/", "/verify", "/livez", "/_verify", "//_verify", "/a/../_verify", "/?access_token=x"):
        for attempt in attempts:
            answer = await proxy.get(path, headers=attempt)
            # nginx itself refuses a second Authorization, and has no other answer for its own location.
            assert answer.status_code in {401, 400, 404}, (path, attempt)
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"].startswith("Bearer")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        assert (await proxy.request(method, "/orders")).status_code == 401
    assert behind.seen == []


async def test_any_method_body_and_path_pass_with_a_token(
    proxy: httpx2.AsyncClient, behind: Application, client: httpx2.AsyncClient, sql: Sql
) -> None:
    headers, identity = await signed_in(client, sql, "editor")
    target = "/a%2Fb/login?next=/verify"

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        yield b"y" * 100_000

    # A body without a length goes in pieces. None of it may be the next request to Watchword.
    requests: tuple[tuple[str, bytes | AsyncIterator[bytes], bytes], ...] = (
        ("POST", b"x" * 100_000, b"x" * 100_000),
        ("POST", pieces(), b"x" + b"y" * 100_000),
        ("PUT", b"y", b"y"),
        *((method, b"", b"") for method in ("DELETE", "OPTIONS", "HEAD", "GET")),
    )
    for method, content, body in requests:
        answer = await proxy.request(method, target, headers=headers, content=content)
        assert answer.status_code == 200
        seen = behind.seen[-1]
        assert (seen.line.split()[:2], seen.body, seen.identity) == ([method, target], body, identity)


async def test_a_preflight_passes_and_says_nothing_about_the_client(
    proxy: httpx2.AsyncClient, behind: Application
) -> None:
    spoofed = [(spelling, "root") for spelling in SPELLINGS]
    answer = await proxy.options("/", headers=[*PREFLIGHT.items(), *spoofed])
    assert (answer.status_code, answer.json()) == (200, {})
    for method, headers in (
        ("GET", PREFLIGHT),
        ("POST", PREFLIGHT | {"X-HTTP-Method-Override": "OPTIONS"}),
        *(("OPTIONS", {name: value}) for name, value in PREFLIGHT.items()),
    ):
        assert (await proxy.request(method, "/", headers=headers)).status_code == 401, (method, headers)
    assert len(behind.seen) == 1


async def test_a_logout_is_seen_by_the_next_request_of_a_kept_connection(
    proxy: httpx2.AsyncClient, behind: Application, client: httpx2.AsyncClient, sql: Sql
) -> None:
    one, another = await signed_in(client, sql, "editor"), await signed_in(client, sql, "admin")
    for _ in range(10):
        for headers, identity in (one, another):
            assert (await proxy.get("/", headers=headers)).json() == identity
        assert (await proxy.get("/")).status_code == 401
    assert len(behind.seen) == 20
    assert (await client.post("/logout", headers=one[0])).status_code == 204
    assert (await proxy.get("/", headers=one[0])).status_code == 401
    assert (await proxy.get("/", headers=another[0])).json() == another[1]
    assert len(behind.seen) == 21


async def test_large_headers_pass_whole_or_not_at_all(
    proxy: httpx2.AsyncClient, behind: Application, client: httpx2.AsyncClient, sql: Sql
) -> None:
    # Tokens have no room for more.
    headers, identity = await signed_in(client, sql, *(f"{number:02}{'r' * 62}" for number in range(60)))
    assert (await proxy.get("/", headers=headers)).json() == identity
    cookies = [("Cookie", f"{letter}={letter * 6_000}") for letter in "abc"]
    assert (await proxy.get("/", headers=[*headers.items(), *cookies])).json() == identity
    for size in (6_000, 70_000, 2_000_000):
        large = [(name, "r" * size) for name in ("X-Auth-Roles", "X-Large", "X-Larger", "X-Largest")]
        # Some proxies answer before all has arrived, and close the connection.
        with suppress(httpx2.TransportError):
            answer = await proxy.get("/", headers=[*headers.items(), *large])
            assert answer.status_code != 200 or answer.json() == identity
    assert all(seen.identity == identity for seen in behind.seen)


@pytest.mark.parametrize("name", PROXIES)
async def test_nothing_passes_while_watchword_cannot_know_or_is_down(
    name: str, private_servers: PrivateServers, behind: Application, tmp_path: Path
) -> None:
    environment = private_servers.environment
    migrate(environment)
    sql = await connect(environment["AUTH_DATABASE_URL"])
    with Service(environment, tmp_path) as service, guarded(name, service.port, behind, tmp_path) as proxy:
        async with client_of(service) as client, proxy:
            headers, identity = await signed_in(client, sql, "editor")
            await sql.close()
            assert (await proxy.get("/", headers=headers)).json() == identity
            private_servers.valkey.kill()
            assert (await proxy.get("/", headers=headers)).json() == identity
            private_servers.postgres.kill()
            for sent, status in ((headers, 503), ({}, 401)):
                answer = await proxy.get("/", headers=sent)
                assert answer.status_code == status
                # Envoy answers for itself where it was told that nothing is known.
                assert status == 401 or name == "envoy" or answer.headers["retry-after"] == "1"
            service.send_signal(signal.SIGKILL)
            service.process.wait()
            for sent in (headers, {}, {"X-Auth-Subject": "root"}):
                assert (await proxy.get("/", headers=sent)).status_code in {500, 502, 503, 504}
    assert len(behind.seen) == 2
