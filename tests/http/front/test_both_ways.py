"""A request is answered and logged alike, whether the front finds its route or FastAPI does."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.throttling import Budget, Limit, TooManyRequests
from app.http.answers import no_content
from app.http.application import Application, Options, build
from app.http.bodies import RefreshTokenBody, optional
from app.http.front import ANY, Endpoint, limits
from app.http.origins import Origins
from app.http.problems import FieldError, InvalidRequest
from app.http.routing import Answer, Call, Routes
from app.main import create_app
from app.services.slots import Overloaded
from tests.support.both_ways import Way, both_ways, differences
from tests.support.corpus import APP, NATIVE, ROUTES, corpus, malformed, request, with_tokens
from tests.support.database import Sql
from tests.support.people import PASSWORD, cookie_of, login, marker, new_person
from tests.support.servers import ISSUER

Ways = tuple[Way, Way]
SETTINGS = {
    "AUTH_ALLOWED_ORIGINS": APP,
    "AUTH_NATIVE_ORIGINS": NATIVE,
    "AUTH_ROOT_PATH": "/auth",
    "AUTH_LOG_PROBES": "on",
}


@pytest.fixture(scope="module")
async def ways(migrated: object, environment: dict[str, str]) -> AsyncIterator[Ways]:
    """The service, both ways."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment | SETTINGS).items():
            patch.setenv(name, value)
        async with both_ways(create_app) as ways:
            yield ways


async def test_the_corpus_has_every_route_that_the_front_finds(ways: Ways) -> None:
    found = {(method, path) for method, path in ways[0].app.front.endpoints if method != ANY}
    assert found == {(method, path) for path, method in ROUTES.items()}
    assert {method for method, _ in ways[1].app.front.endpoints} == {ANY}


async def test_any_request_without_a_token_is_answered_alike(ways: Ways) -> None:
    requests = list(corpus())
    assert len(requests) > 1500
    assert await differences(ways, requests) == []


async def test_a_request_in_pieces_and_one_that_is_none_are_answered_alike(ways: Ways) -> None:
    assert await differences(ways, malformed()) == []


async def test_signing_in_and_the_requests_of_a_session_are_answered_alike(ways: Ways, sql: Sql) -> None:
    for way in ways:
        person = await new_person(sql)
        url = f"http://127.0.0.1:{way.port}"
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
            native = [(await login(client, person)).json() for _ in range(4)]
            browser = await login(client, person, kind="browser")
            way.fillings.update(
                {
                    b"email": [person.email.encode()],
                    b"password": [PASSWORD.encode()],
                    b"refresh": [tokens["refresh_token"].encode() for tokens in native[1:]],
                    b"access": [native[0]["access_token"].encode()],
                    b"cookie": [cookie_of(browser).encode()],
                }
            )
        newest = "SELECT id FROM sessions WHERE account_id = $1 ORDER BY created_at DESC LIMIT 1"
        way.fillings[b"session"] = [str(await sql.fetchval(newest, person.id)).encode()]
    assert await differences(ways, with_tokens()) == []


async def test_a_client_that_leaves_is_logged_alike(ways: Ways) -> None:
    whole = request("POST", "/logout", "Content-Type: application/json\r\n", b'{"refresh_token":"x"}')[0]
    for end in (-1, -20):
        found = await differences(ways, [(whole[:end],)], leaves=True)
        assert found == []
        one = await ways[0].answered(whole[:end], leaves=True)
        assert "'status': 499" in one.lines[-1]


async def test_a_body_that_stalls_is_answered_alike(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_TIMEOUT", 0.0)
    stalling = b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
    assert await differences(ways, [(stalling,)]) == []
    assert (await ways[0].answered(stalling)).answer.startswith("HTTP/1.1 408")


async def test_a_difference_is_noticed(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first way asks the front's endpoints, and the second one does not."""

    async def other(_: object) -> Response:
        return Response(status_code=204, headers={"Cache-Control": "no-cache"})

    planted = {**ways[0].app.front.endpoints, ("POST", "/logout"): Endpoint("/logout", other)}
    monkeypatch.setattr(ways[0].app.front, "endpoints", planted)
    assert len(await differences(ways, [request("POST", "/logout"), request("GET", "/me")])) == 1


@dataclass(frozen=True)
class Cases:
    """Nothing that a route could use."""


def raised(error: Exception | None) -> Callable[[Call[Cases, Any]], Any]:
    async def answer(_: Call[Cases, Any]) -> Response:
        if error is not None:
            raise error
        return no_content()

    return answer


LIMIT = Limit(5, timedelta(seconds=60))
ERRORS: dict[str, Exception | None] = {
    **{refusal.value: Refused(refusal) for refusal in Refusal},
    **{f"http_{status}": HTTPException(status) for status in (400, 403, 404, 405, 408, 413, 415, 431, 500)},
    "with_headers": HTTPException(404, headers={"X-Reason": "tests"}),
    "unknown_status": HTTPException(418),
    "invalid": InvalidRequest(FieldError("a", "missing"), FieldError("", "other", advice="Do.")),
    "throttled": TooManyRequests(Budget("tests", "key", (LIMIT,)), LIMIT, 7, is_news=False),
    "overloaded": Overloaded(),
    "failure": LookupError("a secret"),
    "group": ExceptionGroup("several", [ValueError("a secret")]),
    "gone": ClientDisconnect(),
    "nothing": None,
}


def raising() -> Application:
    """An application whose routes raise every kind of error."""
    route = Routes(Cases, "tests", "Routes of the tests.")
    for name, error in ERRORS.items():
        route.get(f"/{name}", Answer("Done."))(raised(error))
        route.post(f"/{name}", Answer("Done."), body=optional(RefreshTokenBody), takes_turn=True)(
            raised(error)
        )
        route.get(f"/{name}/{{id}}", Answer("Done."))(raised(error))
    options = Options(hsts="max-age=1", log_probes=True)
    issuer = "https://auth.example.com"
    return build([route], [Cases()], Origins(issuer, [APP]), issuer=issuer, version="0", options=options)


async def test_every_error_of_a_handler_is_answered_alike() -> None:
    async with both_ways(raising) as ways:
        requests = [
            request(method, f"/{name}{more}", headers, body)
            for name in ERRORS
            for method, more, body in (
                ("GET", "", None),
                ("HEAD", "", None),
                ("POST", "", b""),
                ("GET", "/1", None),
            )
            for headers in ("", f"Origin: {APP}\r\n")
        ]
        quiet = [each for each in requests if b"/gone" not in each[0]]
        assert await differences(ways, quiet) == []
        gone = [each for each in requests if b"/gone" in each[0]]
        assert await differences(ways, gone, leaves=True) == []


async def test_an_outage_is_logged_alike() -> None:
    def app() -> Application:
        route = Routes(Cases, "tests", "Routes of the tests.")
        # An outage is logged once a second, so each way has a cause of its own.
        route.get("/unavailable", Answer("Done."))(raised(Unavailable(marker())))
        return build([route], [Cases()], Origins(ISSUER, ()), issuer=ISSUER, version="0")

    async with both_ways(app) as ways:
        one, other = [await way.answered(*request("GET", "/unavailable")) for way in ways]
    assert one == other
    assert "service.unavailable" in one.lines[0]
