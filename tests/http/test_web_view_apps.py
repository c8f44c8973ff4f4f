"""Apps in a web view: pages of listed origins of any scheme are native clients, and never browsers."""

from collections.abc import Iterator

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql
from tests.support.people import (
    PASSWORD,
    Person,
    bearing,
    browser_login,
    cookies_of,
    login,
    problem_of,
    sessions_of,
    with_cookie,
)
from tests.support.servers import Service

pytestmark = pytest.mark.requirement("C3", "C4")

APP, BOTH = "https://app.example.com", "https://both.example.com"
NATIVE = ["capacitor://localhost", "ionic://localhost", "http://localhost", "https://localhost"]
LOOKALIKES = [
    "capacitor://localhost:80",
    "capacitor://localhost.example.com",
    "capacitor://",
    "CAPACITOR://LOCALHOST",
    "http://localhost:8100",
    "null",
    "*",
]
NEW = "another battery horse staple"
ALLOW = "access-control-allow-"


@pytest.fixture(scope="module")
def service(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with a frontend, apps, and a page that is both."""
    listing = {
        "AUTH_ALLOWED_ORIGINS": f"{APP} {BOTH}",
        "AUTH_NATIVE_ORIGINS": " ".join([*NATIVE, BOTH]),
    }
    with Service(environment | listing, tmp_path_factory.mktemp("apps")) as service:
        yield service


def sent_by(origin: str) -> dict[str, str]:
    return {"Origin": origin, "Sec-Fetch-Site": "cross-site"}


def assert_readable_without_credentials(answer: httpx2.Response, origin: str) -> None:
    assert answer.headers.get_list(f"{ALLOW}origin") == [origin]
    assert f"{ALLOW}credentials" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("origin", NATIVE)
async def test_an_app_signs_in_refreshes_changes_the_password_and_signs_out(
    client: httpx2.AsyncClient, person: Person, origin: str
) -> None:
    client.headers.update(sent_by(origin))
    opened = await login(client, person)
    assert opened.status_code == 200
    renewed = await client.post("/refresh", json={"refresh_token": opened.json()["refresh_token"]})
    change = {"current_password": PASSWORD, "new_password": NEW}
    changed = await client.post("/password", json=change, headers=bearing(renewed.json()["access_token"]))
    assert changed.status_code == 200
    ended = await client.post("/logout", json={"refresh_token": changed.json()["refresh_token"]})
    assert ended.status_code == 204
    for answer in (opened, renewed, changed):
        assert_readable_without_credentials(answer, origin)
        assert cookies_of(answer) == []
    assert_readable_without_credentials(ended, origin)


@pytest.mark.parametrize("origin", NATIVE)
async def test_the_preflight_of_an_app_is_granted_without_credentials(
    client: httpx2.AsyncClient, origin: str
) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = await client.options("/login", headers=sent_by(origin) | asked)
    assert answer.status_code == 200
    assert_readable_without_credentials(answer, origin)
    assert answer.headers[f"{ALLOW}headers"] == "content-type"


@pytest.mark.parametrize("origin", NATIVE)
async def test_an_app_may_read_its_errors(client: httpx2.AsyncClient, person: Person, origin: str) -> None:
    client.headers.update(sent_by(origin))
    refused = await login(client, person, password="not the password at all")
    problem_of(refused, 401, "invalid_credentials")
    assert_readable_without_credentials(refused, origin)


@pytest.mark.parametrize("origin", NATIVE)
async def test_an_app_is_no_browser_and_no_cookie_acts_for_it(
    client: httpx2.AsyncClient, person: Person, sql: Sql, origin: str
) -> None:
    token, access_token = await browser_login(client, person)
    before = await sessions_of(sql, person)
    change = {"current_password": PASSWORD, "new_password": NEW}
    for headers in (sent_by(origin), {"Origin": origin}):
        answers = [
            await client.post("/login", json={"email": person.email, "password": PASSWORD}, headers=headers),
            await client.post("/refresh", headers=with_cookie(token) | headers),
            await client.post("/logout", headers=with_cookie(token) | headers),
            await client.post("/password", json=change, headers=bearing(access_token) | headers),
        ]
        for answer in answers:
            problem_of(answer, 403, "cross_site_request")
            assert cookies_of(answer) == []
    assert await sessions_of(sql, person) == before


@pytest.mark.parametrize("origin", [*LOOKALIKES, APP])
async def test_a_page_of_another_origin_is_no_app_and_is_told_why(
    client: httpx2.AsyncClient, person: Person, sql: Sql, origin: str
) -> None:
    answer = await client.post(
        "/login",
        json={"email": person.email, "password": PASSWORD, "client": "native"},
        headers={"Origin": origin},
    )
    (error,) = problem_of(answer, 422, "invalid_request")["errors"]
    assert (error["field"], error["reason"]) == ("client", "native_from_a_page")
    assert "AUTH_NATIVE_ORIGINS" in error["advice"]
    assert await sessions_of(sql, person) == []
    assert answer.headers.get(f"{ALLOW}origin") == (APP if origin == APP else None)


async def test_two_origins_at_once_are_no_app(client: httpx2.AsyncClient, person: Person) -> None:
    headers = [("Origin", NATIVE[0]), ("Origin", NATIVE[0])]
    body = {"email": person.email, "password": PASSWORD, "client": "native"}
    problem_of(await client.post("/login", json=body, headers=headers), 422, "invalid_request")


async def test_an_origin_of_both_lists_may_be_either(client: httpx2.AsyncClient, person: Person) -> None:
    headers = {"Origin": BOTH, "Sec-Fetch-Site": "same-site"}
    for kind in ("native", "browser"):
        body = {"email": person.email, "password": PASSWORD, "client": kind}
        answer = await client.post("/login", json=body, headers=headers)
        assert answer.status_code == 200
        assert answer.headers[f"{ALLOW}credentials"] == "true"
