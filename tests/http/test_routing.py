"""A route's checks follow from its policy, and an application that lacks a record of use cases is refused."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

from app.http.answers import no_content
from app.http.application import build
from app.http.bodies import RefreshTokenBody, optional, required
from app.http.origins import Origins
from app.http.routing import Answer, Bearer, Call, Routes, SameSite
from tests.support.people import COOKIE as COOKIE_NAME
from tests.support.servers import ISSUER

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
COOKIE = {"Cookie": f"{COOKIE_NAME}=a-token"}
BEARER = {"Authorization": "Bearer a-token"}
DONE = Answer("Done.")


@dataclass(frozen=True)
class Cases:
    """Stands in for use cases, and keeps what the handlers received."""

    calls: list[tuple[str | None, str | None]] = field(default_factory=list)


route = Routes(Cases, "tests", "Routes of the tests.")


def answer(call: Call[Cases, Any]) -> Response:
    call.cases.calls.append((call.bearer, call.cookie))
    return no_content()


@route.get("/open", DONE)
async def reads_nothing(call: Call[Cases, None]) -> Response:
    return answer(call)


@route.get("/bearer", DONE, bearer=Bearer.REQUIRED)
async def needs_bearer(call: Call[Cases, None]) -> Response:
    assert call.access_token == call.bearer
    return answer(call)


@route.post("/maybe", DONE, body=optional(RefreshTokenBody), bearer=Bearer.OPTIONAL)
async def may_read_bearer(call: Call[Cases, RefreshTokenBody | None]) -> Response:
    return answer(call)


@route.post("/always", DONE, body=required(RefreshTokenBody), same_site=SameSite.ALWAYS)
async def is_same_site(call: Call[Cases, RefreshTokenBody]) -> Response:
    return answer(call)


@route.post("/cookie", DONE, body=optional(RefreshTokenBody), same_site=SameSite.WITH_COOKIE)
async def reads_cookie(call: Call[Cases, RefreshTokenBody | None]) -> Response:
    return answer(call)


@pytest.fixture
def cases() -> Cases:
    return Cases()


@pytest.fixture
async def planted(cases: Cases) -> AsyncIterator[httpx2.AsyncClient]:
    app = build([route], [cases], Origins(ISSUER, ()), issuer=ISSUER, version="0")
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://tests") as client:
        yield client


def test_an_application_without_the_record_of_a_module_does_not_start() -> None:
    with pytest.raises(LookupError, match="need Cases"):
        build([route], [object()], Origins(ISSUER, ()), issuer=ISSUER, version="0")


async def test_a_required_access_token_is_refused_before_the_handler_when_it_is_missing(
    planted: httpx2.AsyncClient, cases: Cases
) -> None:
    assert (await planted.get("/bearer")).status_code == 401
    assert (await planted.get("/bearer", headers=BEARER)).status_code == 204
    assert cases.calls == [("a-token", None)]


async def test_an_optional_access_token_may_be_missing(planted: httpx2.AsyncClient, cases: Cases) -> None:
    assert (await planted.post("/maybe")).status_code == 204
    assert (await planted.post("/maybe", headers=BEARER)).status_code == 204
    assert cases.calls == [(None, None), ("a-token", None)]


async def test_credentials_that_a_route_does_not_declare_never_reach_its_handler(
    planted: httpx2.AsyncClient, cases: Cases
) -> None:
    assert (await planted.get("/open", headers=BEARER | COOKIE)).status_code == 204
    assert cases.calls == [(None, None)]


async def test_another_site_is_refused_before_the_body_is_read(
    planted: httpx2.AsyncClient, cases: Cases
) -> None:
    assert (await planted.post("/always", headers=CROSS_SITE, content=b"{")).status_code == 403
    assert (await planted.post("/always", json={"refresh_token": "x"})).status_code == 204
    assert len(cases.calls) == 1


async def test_another_site_is_refused_with_a_cookie_and_not_without(
    planted: httpx2.AsyncClient, cases: Cases
) -> None:
    assert (await planted.post("/cookie", headers=CROSS_SITE | COOKIE)).status_code == 403
    assert (await planted.post("/cookie", headers=CROSS_SITE)).status_code == 204
    assert (await planted.post("/cookie", headers=COOKIE)).status_code == 204
    assert cases.calls == [(None, None), (None, "a-token")]
