"""Bodies: JSON of the route's form and nothing else; no piece of a refused one comes back."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.support.people import (
    COOKIE,
    PASSWORD,
    Person,
    cookie_of,
    everything,
    login,
    marker,
    me,
    problem_of,
)

pytestmark = pytest.mark.requirement("C3", "E2", "E3")

ROUTES = ["/login", "/refresh", "/logout"]
GOOD = {"email": "somebody@example.com", "password": "a password of theirs", "client": "native"}
JSON = {"Content-Type": "application/json"}
LIMIT = 16 * 1024


def form(route: str) -> dict[str, str]:
    return GOOD if route == "/login" else {"refresh_token": "wwr_"}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/plain; application/json",
        "text/json",
        "application/jsonx",
        "application/problem+json",
        "application/json, text/plain",
        "",
        None,
    ],
)
async def test_a_body_of_another_type_is_refused_unread(
    client: httpx2.AsyncClient, route: str, content_type: str | None
) -> None:
    planted = marker()
    headers = {} if content_type is None else {"Content-Type": content_type}
    content = json.dumps({**form(route), "password": planted, planted: planted})
    answer = await client.post(route, content=content, headers=headers)
    problem_of(answer, 415, "unsupported_media_type")
    assert planted not in everything(answer)


@pytest.mark.parametrize("route", ROUTES)
async def test_a_wrong_type_is_refused_without_any_body_too(client: httpx2.AsyncClient, route: str) -> None:
    planted = marker()
    answer = await client.post(route, headers={"Content-Type": f"text/{planted}"})
    problem_of(answer, 415, "unsupported_media_type")
    assert planted not in everything(answer)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json;charset=utf-8", "application/json "],
)
async def test_json_may_be_spelled_and_parametrised_as_http_allows(
    client: httpx2.AsyncClient, person: Person, content_type: str
) -> None:
    content = json.dumps({"email": person.email, "password": PASSWORD, "client": "native"})
    answer = await client.post("/login", content=content, headers={"Content-Type": content_type.strip()})
    assert answer.status_code == 200


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], {}, ["{0}"], {"{0}": "{0}"}], ids=str)
async def test_a_field_of_another_kind_is_named_and_its_value_is_not(
    client: httpx2.AsyncClient, field: str, value: Any
) -> None:
    planted = marker()
    wrong = json.loads(json.dumps(value).replace("{0}", planted))
    answer = await client.post("/login", json={**GOOD, field: wrong})
    problem = problem_of(answer, 422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert planted not in everything(answer)


@pytest.mark.parametrize("field", ["email", "password"])
async def test_a_missing_field_is_named(client: httpx2.AsyncClient, field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    problem = problem_of(await client.post("/login", json=body), 422, "invalid_request")
    assert problem["errors"] == [{"field": field, "reason": "missing"}]


async def test_an_unknown_kind_of_client_is_not_repeated_and_the_known_ones_are_named(
    client: httpx2.AsyncClient,
) -> None:
    planted = marker()
    answer = await client.post("/login", json={**GOOD, "client": planted})
    (error,) = problem_of(answer, 422, "invalid_request")["errors"]
    assert error == {"field": "client", "reason": "enum", "allowed": ["browser", "native"]}
    assert planted not in everything(answer)


async def test_an_unknown_field_is_named_beside_the_known_ones(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/login", json={**GOOD, "userName": marker()})
    known = ["email", "password", "client", "device_token"]
    (error,) = problem_of(answer, 422, "invalid_request")["errors"]
    assert error == {"field": "userName", "reason": "extra_forbidden", "allowed": known}


async def test_a_body_that_is_missing_or_no_json_is_said_to_be_so(client: httpx2.AsyncClient) -> None:
    for content, reason in ((b"", "missing"), (b"{", "json_invalid"), (b"[]", "model_type")):
        answer = await client.post("/login", content=content, headers=JSON)
        assert problem_of(answer, 422, "invalid_request")["errors"] == [{"field": "", "reason": reason}]


async def test_a_body_of_many_unknown_fields_is_answered_in_short(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/login", json={**GOOD, **{f"x{number}": 1 for number in range(1000)}})
    assert len(problem_of(answer, 422, "invalid_request")["errors"]) == 20


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", ["{0}", "{0:.20}-", "{0:.20} "], ids=["long", "a hyphen", "a space"])
async def test_an_unknown_field_that_looks_like_no_field_is_refused_and_its_name_not_repeated(
    client: httpx2.AsyncClient, route: str, name: str
) -> None:
    """It may be a secret in the wrong place."""
    planted = marker()
    answer = await client.post(route, json={**form(route), name.format(planted): planted})
    problem_of(answer, 422, "invalid_request")
    assert planted[:20] not in everything(answer)


BROKEN = {
    "cut off": b'{"email": "{0}',
    "trailing text": b'{"email": "{0}"} {0}',
    "single quotes": b"{'email': '{0}'}",
    "no JSON at all": b"{0}",
    "a form": b"email={0}&password={0}",
    "a number": b"1",
    "a huge number": b"9" * 5000,
    "a string": b'"{0}"',
    "an array": b'[{"email": "{0}"}]',
    "NaN": b'{"email": NaN, "password": NaN, "client": NaN, "refresh_token": NaN}',
    "infinity": b'{"refresh_token": -Infinity, "email": Infinity, "{0}": 1e999}',
    "a bare NaN": b"NaN",
    "lone surrogates": rb'{"email": "\ud800{0}", "password": "\udfff{0}", "refresh_token": "\ud800{0}"}',
    "a lone surrogate as name": rb'{"\ud800{0}": "{0}"}',
    "not UTF-8": b'{"email": "\xff\xfe{0}"}',
    "an overlong form of UTF-8": b'{"email": "\xc0\x80{0}"}',
    "a control character": b'{"email": "\x00{0}"}',
    "deep arrays": b"[" * 8000 + b"]" * 8000,
    "deep objects": b'{"email":' * 1700,
    "a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"email": "{0}"}'.encode("utf-16"),
    "UTF-16 without BOM": '{"refresh_token": "{0}"}'.encode("utf-16-le"),
    "UTF-32": '{"refresh_token": "{0}"}'.encode("utf-32"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", BROKEN)
async def test_json_that_does_not_have_the_routes_form_is_refused_and_not_repeated(
    client: httpx2.AsyncClient, route: str, kind: str
) -> None:
    planted = marker()
    content = BROKEN[kind].replace(b"{0}", planted.encode())
    answer = await client.post(route, content=content, headers=JSON)
    problem_of(answer, 422, "invalid_request")
    assert planted not in everything(answer)


async def test_a_login_without_any_body_is_refused(client: httpx2.AsyncClient) -> None:
    for headers in ({}, JSON):
        problem_of(await client.post("/login", headers=headers), 422, "invalid_request")


EMPTY = [b"", b"{}", b" {}\n", b"null", b"   "]


@pytest.mark.parametrize("content", EMPTY)
async def test_empty_json_is_as_good_as_no_body_whether_a_token_comes_with_it_or_not(
    client: httpx2.AsyncClient, content: bytes
) -> None:
    """A page cannot see whether its browser has a cookie, so it sends the same body either way."""
    refresh = await client.post("/refresh", content=content, headers=JSON)
    problem_of(refresh, 401, "refresh_token_missing")
    assert (await client.post("/logout", content=content, headers=JSON)).status_code == 204
    problem_of(await client.post("/logout/all", content=content, headers=JSON), 401, "invalid_token")
    problem_of(await client.post("/login", content=content, headers=JSON), 422, "invalid_request")


@pytest.mark.parametrize("route", ["/refresh", "/logout", "/logout/all"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
async def test_an_empty_body_of_another_type_is_refused_where_no_token_comes_with_it(
    client: httpx2.AsyncClient, route: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await client.post(route, content=b"{}", headers=headers)
    problem_of(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(("route", "status"), [("/refresh", 200), ("/logout", 204), ("/logout/all", 204)])
@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{}"),
        ("application/json", b" {}\n"),
        ("application/json", b"null"),
        ("application/json", b"[]"),
        ("application/json;charset=utf-8", b'""'),
        ("application/x-www-form-urlencoded", b""),
        ("text/plain;charset=UTF-8", b""),
        (None, b"{}"),
    ],
)
async def test_beside_a_token_in_a_header_an_empty_body_is_as_good_as_none(
    client: httpx2.AsyncClient,
    person: Person,
    route: str,
    status: int,
    content_type: str | None,
    content: bytes,
) -> None:
    signed_in = await login(client, person, kind="browser")
    headers = {"Cookie": f"{COOKIE}={cookie_of(signed_in)}"}
    headers |= {} if content_type is None else {"Content-Type": content_type}
    assert (await client.post(route, content=content, headers=headers)).status_code == status


@pytest.mark.parametrize("scheme", ["Basic dTpw", "Negotiate x", "Bearer"])
@pytest.mark.parametrize("content", [b"", b"{}", b"null\r\n"])
async def test_credentials_that_a_browser_adds_by_itself_are_no_token(
    client: httpx2.AsyncClient, scheme: str, content: bytes
) -> None:
    """A form of another site, sent as a navigation, brings them and no cookie; the answer would clear one."""
    headers = {"Authorization": scheme, "Content-Type": "text/plain", "Origin": "https://evil.example"}
    for route in ("/refresh", "/logout", "/logout/all"):
        answer = await client.post(route, content=content, headers=headers)
        problem_of(answer, 415, "unsupported_media_type")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("route", ["/logout", "/logout/all"])
async def test_an_access_token_signs_out_beside_an_empty_body_too(
    client: httpx2.AsyncClient, person: Person, route: str
) -> None:
    token = (await login(client, person)).json()["access_token"]
    answer = await client.post(route, json={}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    assert (await me(client, token)).status_code == 401


@pytest.mark.parametrize("content", [b"{}", b"null", b"", b"x"])
async def test_a_page_of_another_site_cannot_use_a_cookie_whatever_its_body(
    client: httpx2.AsyncClient, person: Person, content: bytes
) -> None:
    cookie = cookie_of(await login(client, person, kind="browser"))
    for route in ("/refresh", "/logout", "/logout/all"):
        answer = await client.post(
            route,
            content=content,
            headers={
                "Cookie": f"{COOKIE}={cookie}",
                "Content-Type": "text/plain",
                "Origin": "https://evil.example",
                "Sec-Fetch-Site": "cross-site",
            },
        )
        problem_of(answer, 403, "cross_site_request")


@pytest.mark.parametrize("route", ROUTES)
async def test_a_body_over_16_kib_is_refused_and_not_repeated(client: httpx2.AsyncClient, route: str) -> None:
    planted = marker()
    content = json.dumps({**form(route), "password": planted * 600})
    assert len(content) > LIMIT
    answer = await client.post(route, content=content, headers=JSON)
    problem_of(answer, 413, "payload_too_large")
    assert planted not in everything(answer)


@pytest.mark.parametrize("route", ROUTES)
async def test_a_stream_over_16_kib_is_refused_although_it_names_no_length(
    client: httpx2.AsyncClient, route: str
) -> None:
    planted = marker()

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield planted.encode() * 30

    answer = await client.post(route, content=chunks(), headers=JSON)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    problem_of(answer, 413, "payload_too_large")
    assert planted not in everything(answer)


async def test_a_body_of_exactly_16_kib_is_read(client: httpx2.AsyncClient) -> None:
    body = b'{"refresh_token": "'
    body += b"x" * (LIMIT - len(body) - 2) + b'"}'
    problem_of(await client.post("/refresh", content=body, headers=JSON), 401, "refresh_token_invalid")
    problem_of(await client.post("/refresh", content=body + b" ", headers=JSON), 413, "payload_too_large")
