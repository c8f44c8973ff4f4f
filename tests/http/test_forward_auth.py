"""``/verify``: what a proxy learns about the access token of a request, and when it is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.support.clients import new_client, proof, token_of
from tests.support.database import Sql, connect
from tests.support.people import Person, bearing, login, marker, new_person, problem_of, with_cookie
from tests.support.servers import PrivateServers, Service, app, migrate
from tests.support.waiting import client_of, logged

pytestmark = pytest.mark.requirement("F1")

IDENTITY = ("x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-scope")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
PATHS = ("/verify", "/verify/", "/verify/orders/1?a=b", "/verify/%2e%2e/me", "/verify//x")
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}


@pytest.fixture
async def sessions(client: httpx2.AsyncClient, person: Person) -> list[dict[str, str]]:
    """The headers of two sessions of the person."""
    return [bearing((await login(client, person)).json()["access_token"]) for _ in range(2)]


def identity_of(answer: httpx2.Response) -> tuple[str, ...]:
    """The four values of a permission, after a look at all that permissions have in common."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == b""
    values = [answer.headers.get_list(name) for name in IDENTITY]
    assert [len(value) for value in values] == [1, 1, 1, 1]
    return tuple(value for (value,) in values)


async def assert_refused(answer: httpx2.Response, status: int = 401, code: str = "invalid_token") -> None:
    if answer.request.method != "HEAD":
        problem_of(answer, status, code)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert not {*IDENTITY, "location", "set-cookie"} & answer.headers.keys()


async def test_a_session_is_told_with_its_account_and_its_roles(
    client: httpx2.AsyncClient, sql: Sql, person: Person
) -> None:
    for someone, roles in (
        (person, ""),
        (await new_person(sql, "admin", "team:a.b_c-d"), "admin,team:a.b_c-d"),
    ):
        token = (await login(client, someone)).json()["access_token"]
        session = await sql.fetchval("SELECT id FROM sessions WHERE account_id = $1", someone.id)
        answer = await client.get("/verify", headers=bearing(token))
        assert identity_of(answer) == (str(someone.id), str(session), roles, "")


async def test_a_service_client_is_told_with_its_scopes(client: httpx2.AsyncClient, sql: Sql) -> None:
    services = await new_client(sql, "orders:read", "introspect")
    token = await token_of(client, services)
    answer = await client.get("/verify", headers=bearing(token))
    assert identity_of(answer) == (str(services.id), "", "", "orders:read introspect")
    narrow = await token_of(client, services, scope="introspect")
    assert identity_of(await client.get("/verify", headers=bearing(narrow)))[3] == "introspect"


async def test_roles_that_only_sql_can_give_make_no_other_role_and_no_header(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    odd = ["a,b", "c\r\nX-Auth-Scope: root", "\N{SNOWMAN}", "50%", "\t \x7f", "a/b~c", "Äd"]
    token = (await login(client, await new_person(sql, *odd))).json()["access_token"]
    _, _, roles, scope = identity_of(await client.get("/verify", headers=bearing(token)))
    assert roles == "a%2Cb,c%0D%0AX-Auth-Scope:%20root,%E2%98%83,50%25,%09%20%7F,a%2Fb~c,%C3%84d"
    assert scope == ""


@pytest.mark.parametrize("path", PATHS)
async def test_neither_the_method_nor_the_path_nor_the_forwarded_url_decides_anything(
    client: httpx2.AsyncClient, sessions: list[dict[str, str]], path: str
) -> None:
    forwarded = {
        "X-Forwarded-Method": "OPTIONS",
        "X-Forwarded-Uri": "/livez",
        "X-Original-URL": "/login",
        "X-HTTP-Method-Override": "DELETE",
        "X-Auth-Roles": "root",
    }
    expected = identity_of(await client.get("/verify", headers=sessions[0]))
    for method in METHODS:
        for headers in ({}, forwarded, PREFLIGHT, forwarded | PREFLIGHT):
            # What is not read of a body is no request on the same connection.
            content = b"GET /livez HTTP/1.1\r\n\r\n" * 5_000 if method == "POST" else b""
            answer = await client.request(method, path, headers=headers | sessions[0], content=content)
            assert identity_of(answer) == expected
            await assert_refused(await client.request(method, path, headers=headers, content=content))
    head = await client.head(path, headers=sessions[0])
    assert (head.status_code, identity_of(head)) == (200, expected)
    await assert_refused(await client.head(path))


@pytest.mark.parametrize("path", ["/verifyx", "/Verify", "/x/verify", "//verify", "/verif"])
async def test_no_other_path_is_meant(
    client: httpx2.AsyncClient, sessions: list[dict[str, str]], path: str
) -> None:
    problem_of(await client.get(path, headers=sessions[0]), 404, "not_found")


@pytest.mark.parametrize("path", ["/verify", "/verify/some/path"])
async def test_the_log_names_the_route_and_not_the_path(
    service: Service, client: httpx2.AsyncClient, path: str
) -> None:
    request_id, planted = marker(), marker()
    await client.put(f"{path}?{planted}", headers={"X-Request-ID": request_id})
    line = logged(service, "http.request", request_id)
    assert (line["method"], line["route"], line["status"]) == ("PUT", "/verify", 401)
    assert planted not in service.logs()


async def test_nothing_but_one_access_token_in_its_header_is_accepted(
    client: httpx2.AsyncClient, person: Person
) -> None:
    tokens = (await login(client, person)).json()
    access_token, planted = tokens["access_token"], marker()
    good = ("Authorization", f"Bearer {access_token}")
    for headers in (
        [],
        [("Authorization", "Bearer")],
        [("Authorization", f"Bearer {planted}")],
        [("Authorization", f"Basic {access_token}")],
        [("Authorization", access_token)],
        [("Authorization", f"Bearer {tokens['refresh_token']}")],
        [good, ("Authorization", f"Bearer {planted}")],
        [good, good],
        list(with_cookie(tokens["refresh_token"]).items()),
    ):
        answer = await client.get("/verify", params={"access_token": access_token}, headers=headers)
        await assert_refused(answer)
        assert planted not in answer.text
    form = {"access_token": access_token}
    await assert_refused(await client.post("/verify", data=form))
    identity_of(await client.get("/verify", headers=[good]))


@pytest.mark.parametrize("end", ["logout", "another session", "logout everywhere", "revocation"])
async def test_what_has_ended_is_refused_from_the_answer_on(
    client: httpx2.AsyncClient, sql: Sql, person: Person, sessions: list[dict[str, str]], end: str
) -> None:
    for headers in sessions:
        identity_of(await client.get("/verify", headers=headers))
    first, second = sessions
    if end == "logout":
        assert (await client.post("/logout", headers=first)).status_code == 204
    elif end == "another session":
        session = (await client.get("/verify", headers=first)).headers["x-auth-session"]
        assert (await client.delete(f"/sessions/{session}", headers=second)).status_code == 204
    elif end == "revocation":
        token = {"token": first["Authorization"].partition(" ")[2], "client_id": "native"}
        assert (await client.post("/revoke", data=token)).status_code == 200
    else:
        assert (await client.post("/logout/all", headers=second)).status_code == 204
        await assert_refused(await client.get("/verify", headers=second))
    await assert_refused(await client.get("/verify", headers=first))
    if end != "logout everywhere":
        identity_of(await client.get("/verify", headers=second))


@pytest.mark.parametrize("command", [("disable",), ("delete", "--yes"), ("roles",)])
async def test_a_session_that_an_operator_ended_is_refused(
    service: Service, client: httpx2.AsyncClient, sql: Sql, command: tuple[str, ...]
) -> None:
    someone = await new_person(sql, "editor")
    headers = bearing((await login(client, someone)).json()["access_token"])
    assert identity_of(await client.get("/verify", headers=headers))[2] == "editor"
    name, *options = command
    done = app("users", name, someone.email, *options, environment=service.environment)
    assert done.returncode == 0, done.stderr
    await assert_refused(await client.get("/verify", headers=headers))


async def test_a_revoked_token_of_a_client_and_those_of_a_deleted_client_are_refused(
    service: Service, client: httpx2.AsyncClient, sql: Sql
) -> None:
    orders = await new_client(sql, "orders")
    first, second = [await token_of(client, orders) for _ in range(2)]
    revoked = await client.post("/revoke", data={"token": first}, headers=proof(orders))
    assert revoked.status_code == 200
    await assert_refused(await client.get("/verify", headers=bearing(first)))
    identity_of(await client.get("/verify", headers=bearing(second)))
    done = app("clients", "delete", orders.name, "--yes", environment=service.environment)
    assert done.returncode == 0, done.stderr
    await assert_refused(await client.get("/verify", headers=bearing(second)))


@pytest.fixture
async def alone(private_servers: PrivateServers, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service whose servers may be killed, and whose frontend is on another origin."""
    migrate(private_servers.environment)
    environment = private_servers.environment | {"AUTH_ALLOWED_ORIGINS": PREFLIGHT["Origin"]}
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            yield client


async def test_without_redis_postgres_decides_and_without_both_the_answer_is_503(
    alone: httpx2.AsyncClient, private_servers: PrivateServers
) -> None:
    sql = await connect(private_servers.environment["AUTH_DATABASE_URL"])
    person = await new_person(sql)
    await sql.close()
    ended, kept = [bearing((await login(alone, person)).json()["access_token"]) for _ in range(2)]
    private_servers.valkey.kill()
    assert (await alone.post("/logout", headers=ended)).status_code == 204
    await assert_refused(await alone.get("/verify", headers=ended))
    identity_of(await alone.get("/verify", headers=kept))
    # A proxy hands the refusal on to the page.
    refused = await alone.request("OPTIONS", "/verify", headers=PREFLIGHT)
    assert refused.headers["access-control-allow-origin"] == PREFLIGHT["Origin"]
    await assert_refused(refused)

    private_servers.postgres.kill()
    for headers in (ended, kept):
        answer = await alone.get("/verify", headers=headers)
        await assert_refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
    await assert_refused(await alone.get("/verify"))

    private_servers.postgres.start()
    await assert_refused(await alone.get("/verify", headers=ended))
    identity_of(await alone.get("/verify", headers=kept))
