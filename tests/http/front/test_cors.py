"""CORS: which other origins' pages may read an answer."""

import json
from collections.abc import Iterator

import httpx2
import pytest

from app.dev import Servers
from tests.support.people import PASSWORD, Person, everything, marker, problem_of
from tests.support.servers import ISSUER, ROOT, Service
from tests.support.waiting import logged

pytestmark = pytest.mark.requirement("C4")

APP, LOCAL_APP = "https://app.example.com", "http://localhost:5173"
FOREIGN = ["https://evil.example.net", "https://app.example.com.evil.example.net", "http://app.example.com"]
WELL_KNOWN = [
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
]
METHODS = ("get", "put", "post", "delete", "patch")
ALLOW_ORIGIN = "access-control-allow-origin"


@pytest.fixture(scope="module")
def service(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that two frontends may use."""
    allowing = environment | {"AUTH_ALLOWED_ORIGINS": f"{APP} {LOCAL_APP}"}
    with Service(allowing, tmp_path_factory.mktemp("allowing")) as service:
        yield service


def listed(answer: httpx2.Response, name: str) -> set[str]:
    return {entry.strip().lower() for entry in answer.headers.get(name, "").split(",")}


async def preflight(
    client: httpx2.AsyncClient,
    origin: str,
    *,
    path: str = "/refresh",
    method: str = "POST",
    headers: str = "content-type",
) -> httpx2.Response:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return await client.options(path, headers={"Origin": origin} | asked)


@pytest.mark.parametrize("origin", [APP, LOCAL_APP])
@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/login", "POST", "content-type"),
        ("/refresh", "POST", "content-type,x-request-id"),
        ("/logout", "POST", "authorization, content-type"),
        ("/me", "GET", "authorization"),
        ("/sessions/0", "DELETE", "authorization"),
        # A monitoring script adds headers to every request of its page.
        ("/login", "POST", "content-type,sentry-trace,baggage"),
    ],
)
async def test_a_preflight_of_an_allowed_origin_is_granted_with_credentials(
    client: httpx2.AsyncClient, origin: str, path: str, method: str, headers: str
) -> None:
    answer = await preflight(client, origin, path=path, method=method, headers=headers)
    assert answer.status_code == 200
    assert answer.headers.get_list(ALLOW_ORIGIN) == [origin]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert method.lower() in listed(answer, "access-control-allow-methods")
    assert {name.strip() for name in headers.split(",")} <= listed(answer, "access-control-allow-headers")
    assert "origin" in listed(answer, "vary")


@pytest.mark.parametrize("origin", [*FOREIGN, "null", ISSUER + "0", APP.upper()])
async def test_a_preflight_of_a_foreign_origin_is_refused_with_a_problem_that_does_not_reflect_it(
    client: httpx2.AsyncClient, origin: str
) -> None:
    answer = await preflight(client, origin)
    problem_of(answer, 403, "preflight_refused")
    assert ALLOW_ORIGIN not in answer.headers
    assert origin.lower() not in everything(answer)


@pytest.mark.parametrize(
    ("origin", "method", "advice"),
    [
        (FOREIGN[0], "POST", "list the origin in AUTH_ALLOWED_ORIGINS, or in AUTH_NATIVE_ORIGINS"),
        (APP, "PUT", "use a method that a route takes; the origin is listed"),
        ("https://" + "x" * 5000, "POST", "list the origin in"),
    ],
)
async def test_the_log_says_which_preflight_was_refused_and_what_to_do_about_it(
    client: httpx2.AsyncClient, service: Service, origin: str, method: str, advice: str
) -> None:
    client.headers["X-Request-ID"] = name = marker()
    await preflight(client, origin, method=method, headers="x-a,content-type")
    line = logged(service, "http.preflight_refused", name)
    assert (line["origin"], line["method"], line["headers"]) == (origin[:256], method, "x-a,content-type")
    assert advice in line["mend"]


async def test_no_preflight_writes_a_control_character_into_the_log(
    client: httpx2.AsyncClient, service: Service
) -> None:
    name, hostile = marker(), b"x\x9b31m\x85\xad\xa0y"
    asked = {b"Access-Control-Request-Method": hostile, b"Access-Control-Request-Headers": hostile}
    await client.options("/refresh", headers={b"X-Request-ID": name.encode(), b"Origin": hostile} | asked)
    line = logged(service, "http.preflight_refused", name)
    assert {line["origin"], line["method"], line["headers"]} == {"x?31m???y"}


async def test_a_page_of_the_internet_may_call_a_service_of_a_private_network(
    client: httpx2.AsyncClient,
) -> None:
    """Chrome asks for it (Private Network Access); the origin is listed, so nothing is lost."""
    for path in ("/refresh", WELL_KNOWN[0]):
        headers = {"Origin": APP, "Access-Control-Request-Method": "GET"}
        headers["Access-Control-Request-Private-Network"] = "true"
        answer = await client.options(path, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-private-network"] == "true"


async def test_a_preflight_for_a_method_that_no_route_takes_is_refused_with_a_problem(
    client: httpx2.AsyncClient,
) -> None:
    answer = await preflight(client, APP, method="PUT")
    problem_of(answer, 403, "preflight_refused")
    assert ALLOW_ORIGIN not in answer.headers


async def test_an_allowed_origins_page_may_read_that_the_service_failed(
    client: httpx2.AsyncClient, person: Person, failing: str
) -> None:
    body = {"email": person.email, "password": PASSWORD}
    answer = await client.post("/login", json=body, headers={"Origin": APP})
    problem_of(answer, 500, "internal_error")
    assert answer.headers.get_list(ALLOW_ORIGIN) == [APP]


@pytest.mark.parametrize("path", ["/me", "/nowhere", "/livez"])
async def test_an_allowed_origins_page_may_read_answers_and_errors(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers={"Origin": APP})
    assert answer.headers.get_list(ALLOW_ORIGIN) == [APP]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert {"retry-after", "www-authenticate"} <= listed(answer, "access-control-expose-headers")
    assert "origin" in listed(answer, "vary")


@pytest.mark.parametrize("origin", [*FOREIGN, "null"])
@pytest.mark.parametrize("path", ["/me", "/nowhere", "/livez", "/.well-known"])
async def test_a_foreign_origins_page_may_read_nothing(
    client: httpx2.AsyncClient, path: str, origin: str
) -> None:
    answer = await client.get(path, headers={"Origin": origin})
    assert ALLOW_ORIGIN not in answer.headers
    assert origin not in everything(answer)
    assert "origin" in listed(answer, "vary")


@pytest.mark.parametrize("origin", [APP, FOREIGN[0], "null"])
@pytest.mark.parametrize("path", WELL_KNOWN)
async def test_well_known_documents_are_for_every_page_and_without_credentials(
    client: httpx2.AsyncClient, path: str, origin: str
) -> None:
    first = await client.get(path, headers={"Origin": origin})
    again = await client.get(path, headers={"Origin": origin, "If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    for answer in (first, again, await client.head(path, headers={"Origin": origin})):
        assert answer.headers.get_list(ALLOW_ORIGIN) == ["*"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "etag" in listed(answer, "access-control-expose-headers")
    asked = await preflight(client, origin, path=path, method="GET", headers="if-none-match, x-anything")
    assert (asked.status_code, asked.headers.get_list(ALLOW_ORIGIN)) == (200, ["*"])
    assert {"if-none-match", "x-anything"} <= listed(asked, "access-control-allow-headers")


@pytest.mark.parametrize("path", WELL_KNOWN)
async def test_a_refused_preflight_of_a_public_document_is_a_problem_too(
    client: httpx2.AsyncClient, path: str
) -> None:
    problem_of(await preflight(client, FOREIGN[0], path=path, method="POST"), 403, "preflight_refused")


async def test_every_method_of_a_route_is_granted(client: httpx2.AsyncClient) -> None:
    paths = json.loads((ROOT / "contract/openapi.json").read_text())["paths"]
    for method in {method for operations in paths.values() for method in operations} & {*METHODS}:
        assert (await preflight(client, APP, method=method.upper())).status_code == 200, method


@pytest.mark.parametrize("path", WELL_KNOWN)
async def test_a_public_cache_may_keep_one_answer_for_all(client: httpx2.AsyncClient, path: str) -> None:
    answers = [await client.get(path, headers=headers) for headers in ({}, {"Origin": FOREIGN[0]})]
    for name in (ALLOW_ORIGIN, "access-control-expose-headers", "cache-control", "etag", "vary"):
        assert len({answer.headers.get(name) for answer in answers}) == 1, name
    assert answers[0].headers[ALLOW_ORIGIN] == "*"
    assert "vary" not in answers[0].headers
    assert answers[0].content == answers[1].content


async def test_a_refusal_of_an_allowed_page_can_be_read_by_it(
    client: httpx2.AsyncClient, person: Person
) -> None:
    credentials = {"email": person.email, "password": "not the password at all", "client": "browser"}
    answer = await client.post("/login", json=credentials, headers={"Origin": APP})
    problem_of(answer, 401, "invalid_credentials")
    assert answer.headers[ALLOW_ORIGIN] == APP
