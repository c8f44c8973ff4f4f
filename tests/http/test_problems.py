"""Every error is a problem (RFC 9457), and none of them says back what the client sent."""

from typing import Any

import httpx2
import pytest

from tests.support.people import Person, everything, login, marker, problem_of

pytestmark = pytest.mark.requirement("E1", "E2", "C6")


@pytest.mark.parametrize("path", ["/{0}", "/login/{0}", "/{0}?{0}={0}", "/.well-known/{0}", "/%2e%2e/{0}"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_an_unknown_path_is_a_problem_that_does_not_name_it(
    client: httpx2.AsyncClient, path: str, method: str
) -> None:
    planted = marker()
    answer = await client.request(method, path.format(planted))
    problem_of(answer, 404, "not_found")
    assert planted not in everything(answer)


@pytest.mark.parametrize("path", ["/login/", "/me/", "//login", "/LOGIN", "/docs", "/redoc", "/"])
async def test_a_path_has_one_spelling_and_nothing_is_redirected(
    client: httpx2.AsyncClient, path: str
) -> None:
    problem_of(await client.get(path), 404, "not_found")


@pytest.mark.requirement("E4")
@pytest.mark.parametrize(
    "host", ["localhost/.well-known/jwks.json?", "localhost/livez?", "localhost/nowhere#"]
)
async def test_a_host_header_with_a_path_changes_neither_the_route_nor_the_cors_of_a_request(
    client: httpx2.AsyncClient, host: str
) -> None:
    answer = await client.get("/me", headers={"Host": host, "Origin": "https://elsewhere.example"})
    problem_of(answer, 401, "invalid_token")
    assert "access-control-allow-origin" not in answer.headers


ALLOWED = {
    "/login": {"POST"},
    "/refresh": {"POST"},
    "/logout": {"POST"},
    "/me": {"GET", "HEAD"},
    "/.well-known/jwks.json": {"GET", "HEAD"},
    "/livez": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_another_method_is_a_problem_that_names_exactly_the_allowed_ones(
    client: httpx2.AsyncClient, path: str
) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - ALLOWED[path]:
        planted = marker()
        answer = await client.request(
            method, path, params={planted: planted}, headers={"X-Anything": planted}
        )
        problem_of(answer, 405, "method_not_allowed")
        assert {allowed.strip() for allowed in answer.headers["allow"].split(",")} == ALLOWED[path]
        assert planted not in everything(answer)


@pytest.mark.parametrize("path", ["/login", "/refresh", "/logout"])
async def test_a_get_never_changes_anything(client: httpx2.AsyncClient, path: str) -> None:
    problem_of(await client.get(path), 405, "method_not_allowed")
    head = await client.head(path)
    assert head.status_code == 405


async def test_head_is_answered_as_get_is_where_a_token_is_asked_for_too(
    client: httpx2.AsyncClient, person: Person
) -> None:
    access_token = (await login(client, person)).json()["access_token"]
    assert (await client.head("/me")).status_code == 401
    answer = await client.head("/me", headers={"Authorization": f"Bearer {access_token}"})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/login", "/me", "/livez", "/nowhere"])
async def test_headers_over_16_kib_are_a_problem_that_does_not_repeat_them(
    client: httpx2.AsyncClient, path: str
) -> None:
    planted = marker()
    headers = {f"X-{planted}-{number}": planted * 100 for number in range(5)}
    answer = await client.get(path, headers=headers)
    problem_of(answer, 431, "headers_too_large")
    assert planted not in everything(answer)


async def test_headers_under_16_kib_are_no_problem(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/livez", headers={"X-Long": "x" * 15_000})).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["Bearer {0}", "Bearer {0}.{0}.{0}", "Basic {0}", "Bearer", "bearer  {0}", "{0}", "Bearer {0} {0}"],
)
async def test_a_bad_access_token_is_a_problem_with_a_challenge_and_without_the_token(
    client: httpx2.AsyncClient, authorization: str
) -> None:
    planted = marker()
    answer = await client.get("/me", headers={"Authorization": authorization.format(planted)})
    problem_of(answer, 401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert planted not in everything(answer)


@pytest.mark.requirement("R9")
@pytest.mark.parametrize("presented", ["", "{0}", "wwr_{0}", "wwr_{0}{0}{0}", "{0}\x00", "é{0}", "語{0}"])
async def test_a_bad_refresh_token_is_one_and_the_same_problem_without_the_token(
    client: httpx2.AsyncClient, presented: str
) -> None:
    planted = marker()
    answer = await client.post("/refresh", json={"refresh_token": presented.format(planted)})
    expected = await client.post("/refresh", json={"refresh_token": "x"})
    problem_of(answer, 401, "refresh_token_invalid")
    assert answer.content == expected.content
    assert answer.headers.keys() == expected.headers.keys()
    assert planted not in everything(answer)


async def test_every_401_carries_a_challenge(client: httpx2.AsyncClient, person: Person) -> None:
    for answer in (
        await client.get("/me"),
        await client.post("/refresh"),
        await login(client, person, password="not the password at all"),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_unhandled_exception_is_a_problem_without_stack_statement_or_words_of_postgres(
    client: httpx2.AsyncClient, person: Person, failing: str
) -> None:
    answer = await login(client, person)
    problem_of(answer, 500, "internal_error")
    seen = everything(answer)
    for leak in (failing, "traceback", "sessions", "insert", "asyncpg", "sqlalchemy", person.email):
        assert leak not in seen, leak
    assert answer.headers["x-request-id"]


async def test_an_unhandled_exception_carries_the_security_headers_too(
    client: httpx2.AsyncClient, person: Person, failing: str
) -> None:
    answer = await login(client, person)
    problem_of(answer, 500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


REQUESTS: dict[str, dict[str, Any]] = {
    "404": {"method": "GET", "url": "/nowhere"},
    "405": {"method": "GET", "url": "/login"},
    "413": {"method": "POST", "url": "/login", "content": b"x" * 20_000},
    "415": {"method": "POST", "url": "/login", "content": b"x", "headers": {"Content-Type": "text/plain"}},
    "422": {"method": "POST", "url": "/login", "json": {}},
    "401": {"method": "GET", "url": "/me"},
}


@pytest.mark.parametrize("status", REQUESTS)
async def test_two_problems_of_one_kind_are_equal_but_for_their_request_id(
    client: httpx2.AsyncClient, status: str
) -> None:
    first, second = [await client.request(**REQUESTS[status]) for _ in range(2)]
    assert (first.status_code, first.content) == (int(status), second.content)
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
