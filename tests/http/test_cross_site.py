"""Cross-site requests: who may act for a browser's user, and what other origins may read.

The rule of the design, one row for each ``Sec-Fetch-Site`` and one column for each ``Origin``: with the
first header it decides alone, but for ``same-site``, which needs an accepted origin; without it the origin
has to be an accepted one; with neither it is no browser.
"""

from collections.abc import Iterator

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql
from tests.support.people import (
    PASSWORD,
    Person,
    browser_login,
    browser_refresh,
    cookies_of,
    everything,
    login,
    marker,
    me,
    problem_of,
    sessions_of,
    with_cookie,
)
from tests.support.servers import ISSUER, Service
from tests.support.waiting import logged

pytestmark = pytest.mark.requirement("C3", "C4")

APP, LOCAL_APP, FOREIGN = "https://app.example.com", "http://localhost:5173", "https://evil.example.net"

ORIGINS = {
    "absent": None,
    "issuer": ISSUER,
    "allowed": APP,
    "allowed too": LOCAL_APP,
    "foreign": FOREIGN,
    "null": "null",
}
YES, NO = True, False
RULE = {
    #               absent  issuer  allowed  allowed too  foreign  null
    "same-origin": (YES, YES, YES, YES, YES, YES),
    "same-site": (NO, YES, YES, YES, NO, NO),
    "cross-site": (NO, NO, NO, NO, NO, NO),
    "none": (NO, NO, NO, NO, NO, NO),
    None: (YES, YES, YES, YES, NO, NO),
}
ROUTES = ("login", "refresh", "logout")
CASES = [
    pytest.param(route, site, origin, passes, id=f"{route}-{site}-{name}")
    for route in ROUTES
    for site, row in RULE.items()
    for (name, origin), passes in zip(ORIGINS.items(), row, strict=True)
]
LOOKALIKES = [
    "https://app.example.com.evil.net",
    "https://evil.app.example.com",
    "https://app.example.com:8443",
    "http://app.example.com",
    "https://app.example.com/",
    "https://app.example.com, https://evil.example.net",
    "http://localhost",
    "HTTPS://APP.EXAMPLE.COM",
]


@pytest.fixture(scope="module")
def service(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that two frontends may use."""
    allowing = environment | {"AUTH_ALLOWED_ORIGINS": f"{APP},{LOCAL_APP}"}
    with Service(allowing, tmp_path_factory.mktemp("allowing")) as service:
        yield service


def sent_by(site: str | None, origin: str | None) -> dict[str, str]:
    headers = {"Sec-Fetch-Site": site, "Origin": origin}
    return {name: value for name, value in headers.items() if value is not None}


async def attempt(
    client: httpx2.AsyncClient, route: str, person: Person, token: str, headers: list[tuple[str, str]]
) -> httpx2.Response:
    """A browser's request to the route, which carries what the route acts on."""
    if route == "login":
        credentials = {"email": person.email, "password": PASSWORD, "client": "browser"}
        return await client.post("/login", json=credentials, headers=headers)
    return await client.post(f"/{route}", headers=[*with_cookie(token).items(), *headers])


async def assert_refused(
    client: httpx2.AsyncClient, sql: Sql, route: str, person: Person, headers: list[tuple[str, str]]
) -> None:
    """The request is refused, and nothing is rotated, revoked, opened or cleared."""
    token, access_token = await browser_login(client, person)
    before = await sessions_of(sql, person)
    answer = await attempt(client, route, person, token, headers)
    problem_of(answer, 403, "cross_site_request")
    assert cookies_of(answer) == []
    assert await sessions_of(sql, person) == before
    assert (await me(client, access_token)).status_code == 200


@pytest.mark.parametrize(("route", "site", "origin", "passes"), CASES)
async def test_a_browsers_request_passes_exactly_where_the_rule_says_so(
    client: httpx2.AsyncClient,
    person: Person,
    sql: Sql,
    route: str,
    site: str | None,
    origin: str | None,
    passes: bool,
) -> None:
    headers = list(sent_by(site, origin).items())
    if not passes:
        await assert_refused(client, sql, route, person, headers)
        return
    token = "" if route == "login" else (await browser_login(client, person))[0]
    answer = await attempt(client, route, person, token, headers)
    assert answer.status_code == (204 if route == "logout" else 200), answer.text


@pytest.mark.parametrize("origin", LOOKALIKES)
async def test_an_origin_is_compared_whole_and_letter_by_letter(
    client: httpx2.AsyncClient, person: Person, sql: Sql, origin: str
) -> None:
    await assert_refused(client, sql, "refresh", person, [("Origin", origin)])


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", APP), ("Origin", FOREIGN)],
        [("Origin", APP), ("Origin", APP)],
        [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "Same-Origin")],
        [("Sec-Fetch-Site", "same-origin, cross-site")],
        [("Sec-Fetch-Site", "something-new"), ("Origin", APP)],
        [("Sec-Fetch-Site", ""), ("Origin", APP)],
        [("Origin", "")],
    ],
    ids=str,
)
async def test_doubled_and_unknown_headers_are_refused(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: list[tuple[str, str]]
) -> None:
    await assert_refused(client, sql, "refresh", person, headers)


async def test_the_log_says_which_page_was_refused_and_what_to_do_about_it(
    client: httpx2.AsyncClient, service: Service
) -> None:
    unlisted = "https://new.example.com"
    for site, origin, advice in (
        (None, unlisted, "AUTH_ALLOWED_ORIGINS"),
        ("same-site", unlisted, "AUTH_ALLOWED_ORIGINS"),
        ("cross-site", FOREIGN, "the site of AUTH_ISSUER"),
    ):
        name = marker()
        headers = {**sent_by(site, origin), **with_cookie("x"), "X-Request-ID": name}
        problem_of(await client.post("/refresh", headers=headers), 403, "cross_site_request")
        line = logged(service, "http.cross_site_refused", name)
        assert (line["origin"], line["sec_fetch_site"]) == (origin, site or "")
        assert advice in line["mend"]


async def test_no_page_writes_a_control_character_into_the_log(
    client: httpx2.AsyncClient, service: Service
) -> None:
    name, hostile = marker(), b"x\x9b31m\x85\xad\xa0y"
    cookie = with_cookie("x")["Cookie"].encode()
    named = {b"Cookie": cookie, b"X-Request-ID": name.encode()}
    headers = named | {b"Origin": hostile, b"Sec-Fetch-Site": hostile}
    problem_of(await client.post("/refresh", headers=headers), 403, "cross_site_request")
    line = logged(service, "http.cross_site_refused", name)
    assert {line["origin"], line["sec_fetch_site"]} == {"x?31m???y"}


async def test_the_referer_plays_no_part(client: httpx2.AsyncClient, person: Person) -> None:
    token, _ = await browser_login(client, person)
    headers = with_cookie(token) | {"Referer": f"{FOREIGN}/page"}
    assert (await client.post("/refresh", headers=headers)).status_code == 200


async def test_a_cross_site_login_is_refused_before_the_password_is_looked_at(
    client: httpx2.AsyncClient, person: Person
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    for password in (PASSWORD, "not the password at all"):
        credentials = {"email": person.email, "password": password, "client": "browser"}
        answer = await client.post("/login", json=credentials, headers=headers)
        problem_of(answer, 403, "cross_site_request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": APP},
        {"Origin": ISSUER},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
async def test_a_page_gets_no_refresh_token_by_calling_itself_native(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str]
) -> None:
    credentials = {"email": person.email, "password": PASSWORD, "client": "native"}
    answer = await client.post("/login", json=credentials, headers=headers)
    problem_of(answer, 422, "invalid_request")
    assert await sessions_of(sql, person) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
async def test_where_no_cookie_acts_nothing_is_checked(
    client: httpx2.AsyncClient, person: Person, site: str | None
) -> None:
    token = (await login(client, person)).json()["refresh_token"]
    headers = sent_by(site, FOREIGN)
    renewed = await client.post("/refresh", json={"refresh_token": token}, headers=headers)
    assert renewed.status_code == 200
    body = {"refresh_token": renewed.json()["refresh_token"]}
    assert (await client.post("/logout", json=body, headers=headers)).status_code == 204


async def test_a_refused_request_may_be_repeated_from_the_right_place(
    client: httpx2.AsyncClient, person: Person
) -> None:
    token, _ = await browser_login(client, person)
    refused = await client.post("/refresh", headers=with_cookie(token) | {"Origin": FOREIGN})
    problem_of(refused, 403, "cross_site_request")
    assert FOREIGN not in everything(refused)
    assert (await browser_refresh(client, token)).status_code == 200
