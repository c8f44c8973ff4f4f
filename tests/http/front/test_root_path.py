"""A proxy that passes the issuer's path on: every route is below that path, and also without it."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from app.dev import Servers
from tests.support.people import (
    Person,
    bearing,
    cookies_of,
    login,
    me,
    problem_of,
)
from tests.support.processes import PATIENCE
from tests.support.servers import NO_TLS, Service
from tests.support.waiting import WELL, client_of

pytestmark = pytest.mark.requirement("E4")

HOST = "https://example.com"
ISSUER = f"{HOST}/auth"
HOST_COOKIE = "__Host-refresh_token"
COOKIE = "__Host-refresh_token"
"""Of an https issuer; most tests run with the one of development."""


@pytest.fixture(scope="module")
def below(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {"AUTH_ISSUER": ISSUER, "AUTH_ROOT_PATH": "/auth"}
    with Service(environment | settings, tmp_path_factory.mktemp("below")) as service:
        yield service


@pytest.fixture
async def direct(below: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(below) as client:
        yield client


def with_cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}"}


@pytest.fixture
async def proxied(below: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """A client whose every path begins with the issuer's."""
    url = f"{below.url}/auth"
    async with httpx2.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False, timeout=PATIENCE) as client:
        yield client


async def test_a_browser_s_session_lives_below_the_path(proxied: httpx2.AsyncClient, person: Person) -> None:
    begun = await login(proxied, person, kind="browser")
    assert {cookie.attributes["path"] for cookie in cookies_of(begun)} == {"/"}
    (token,) = (cookie.value for cookie in cookies_of(begun) if cookie.name == HOST_COOKIE)
    access_token = (await proxied.post("/refresh", headers=with_cookie(token))).json()["access_token"]
    assert (await me(proxied, access_token)).status_code == 200
    assert (await proxied.post("/logout", headers=bearing(access_token))).status_code == 204
    assert (await me(proxied, access_token)).status_code == 401


async def test_the_documents_are_where_the_issuer_says(direct: httpx2.AsyncClient) -> None:
    # RFC 8414 section 3.1 puts the well-known part in front of the issuer's path.
    for path in ("/auth/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/auth"):
        answer = await direct.get(path, headers={"Origin": "https://anywhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json()["issuer"] == ISSUER
        assert (await direct.get(answer.json()["jwks_uri"].removeprefix(HOST))).json()["keys"]


@pytest.mark.parametrize("path", ["/readyz", "/auth/readyz", "/%61uth/readyz"])
async def test_a_probe_works_with_the_path_and_without_it(direct: httpx2.AsyncClient, path: str) -> None:
    assert (await direct.get(path)).json() == WELL


@pytest.mark.parametrize(
    "path", ["/auth", "/auth/", "/authreadyz", "/auth/auth/readyz", "/auth//readyz", "/AUTH/readyz"]
)
async def test_no_other_path_is_a_route(direct: httpx2.AsyncClient, path: str) -> None:
    problem_of(await direct.get(path), 404, "not_found")


async def test_another_site_is_refused_below_the_path_too(proxied: httpx2.AsyncClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Cookie": f"{HOST_COOKIE}=x"}
    problem_of(await proxied.post("/refresh", headers=headers), 403, "cross_site_request")


async def test_hsts_does_not_speak_for_the_hosts_below(direct: httpx2.AsyncClient) -> None:
    assert (await direct.get("/livez")).headers.get_list("strict-transport-security") == ["max-age=63072000"]
