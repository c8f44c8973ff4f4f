"""Throttling from outside: what a refused client learns, and the address that it is counted by."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql
from tests.support.people import (
    COOKIE,
    DEVICE,
    PASSWORD,
    Person,
    bearing,
    browser_login,
    cookie_of,
    login,
    new_person,
    problem_of,
    refresh,
)
from tests.support.servers import Service
from tests.support.waiting import client_of

pytestmark = pytest.mark.requirement("P3")

WRONG = "not the password at all"
LIMITS = {
    "AUTH_LOGIN_LIMIT_ACCOUNT": "2/PT1M,4/PT1H",
    "AUTH_LOGIN_LIMIT_ADDRESS": "4/PT1M",
    "AUTH_REFRESH_LIMIT": "3/PT1M",
    "AUTH_TRUSTED_PROXIES": "127.0.0.1",
    "AUTH_ALLOWED_ORIGINS": "https://app.example.com",
}
ACCOUNT_POLICY = '"account-60";q=2;w=60, "account-3600";q=4;w=3600'


@pytest.fixture(scope="module")
def throttled(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with Service(environment | LIMITS, tmp_path_factory.mktemp("throttled")) as service:
        yield service


@pytest.fixture
async def client(throttled: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(throttled) as client:
        yield client


def forwarded(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def guess(
    client: httpx2.AsyncClient, email: str, address: str, password: str = WRONG, **headers: str
) -> httpx2.Response:
    body = {"email": email, "password": password, "client": "browser"}
    return await client.post("/login", json=body, headers={**forwarded(address), **headers})


def assert_throttled(answer: httpx2.Response, name: str, policy: str) -> None:
    problem_of(answer, 429, "too_many_requests")
    wait = int(answer.headers["retry-after"])
    assert 1 <= wait <= 60
    assert answer.headers["ratelimit"] == f'"{name}";r=0;t={wait}'
    assert answer.headers["ratelimit-policy"] == policy
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("exists", [True, False])
async def test_a_refused_guess_learns_when_to_retry(
    client: httpx2.AsyncClient, person: Person, exists: bool
) -> None:
    email = person.email if exists else f"no-{person.email}"
    for number in range(2):
        answer = await guess(client, email, f"192.0.2.{number}")
        problem_of(answer, 401, "invalid_credentials")
        assert "ratelimit" not in answer.headers
    page = {"Origin": "https://app.example.com"}
    answer = await guess(client, email, "192.0.2.9", PASSWORD, **page)
    assert_throttled(answer, "account-60", ACCOUNT_POLICY)
    exposed = answer.headers["access-control-expose-headers"]
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed.split(", "))


@pytest.mark.requirement("P6")
async def test_a_network_is_counted_by_what_the_trusted_proxy_says(client: httpx2.AsyncClient) -> None:
    for number in range(4):
        answer = await guess(client, f"{number}@a.example", f"2001:db8:a:b::{number}")
        problem_of(answer, 401, "invalid_credentials")
    answer = await guess(client, "5@a.example", "2001:db8:a:b:ffff::5")
    assert_throttled(answer, "address-60", '"address-60";q=4;w=60')
    # What a client adds in front of what the proxy saw changes nothing.
    answer = await guess(client, "5@a.example", "203.0.113.77, 2001:db8:a:b::6")
    assert_throttled(answer, "address-60", '"address-60";q=4;w=60')
    problem_of(await guess(client, "5@a.example", "2001:db8:a:c::1"), 401, "invalid_credentials")


async def test_a_browser_that_signed_in_before_cannot_be_locked_out_by_others(
    client: httpx2.AsyncClient, person: Person
) -> None:
    signed_in = await login(client, person, kind="browser")
    for number in range(2):
        await guess(client, person.email, f"192.0.2.{number}")
    assert_throttled(await guess(client, person.email, "192.0.2.9", PASSWORD), "account-60", ACCOUNT_POLICY)
    jar = {"Cookie": f"{COOKIE}=anything; {DEVICE}={cookie_of(signed_in, DEVICE)}"}
    again = await guess(client, person.email, "192.0.2.9", PASSWORD, **jar)
    assert again.status_code == 200
    assert cookie_of(again, DEVICE) == cookie_of(signed_in, DEVICE)


async def test_two_device_cookies_are_refused(client: httpx2.AsyncClient, person: Person) -> None:
    token = cookie_of(await login(client, person, kind="browser"), DEVICE)
    twice = {"Cookie": f"{DEVICE}={token}; {DEVICE}={token}"}
    problem_of(await guess(client, person.email, "192.0.2.1", PASSWORD, **twice), 422, "invalid_request")


async def test_a_native_client_that_asks_is_known_by_a_token_in_the_body(
    client: httpx2.AsyncClient, person: Person
) -> None:
    body = {"email": person.email, "password": PASSWORD, "client": "native"}
    answer = await client.post("/login", json=body)
    assert "device_token" not in answer.json()
    answer = await client.post("/login", json=body | {"device_token": ""})
    token = answer.json()["device_token"]
    assert "set-cookie" not in answer.headers
    for number in range(2):
        await guess(client, person.email, f"192.0.2.{number}")
    assert (await client.post("/login", json=body)).status_code == 429
    answer = await client.post("/login", json=body | {"device_token": token})
    assert answer.status_code == 200
    assert answer.json()["device_token"] == token


async def test_a_refresh_and_a_logout_leave_the_device_known(
    client: httpx2.AsyncClient, person: Person
) -> None:
    refresh_token, _ = await browser_login(client, person)
    for route in ("/refresh", "/logout"):
        answer = await client.post(route, headers={"Cookie": f"{COOKIE}={refresh_token}"})
        assert answer.is_success
        assert DEVICE not in answer.headers.get("set-cookie", "")


async def test_the_holder_of_an_access_token_cannot_guess_the_password_for_long(
    client: httpx2.AsyncClient, person: Person
) -> None:
    _, access_token = await browser_login(client, person)
    own = bearing((await login(client, person)).json()["access_token"])
    body = {"current_password": WRONG, "new_password": "another battery horse staple"}
    for _ in range(2):
        answer = await client.post("/password", json=body, headers=bearing(access_token))
        problem_of(answer, 401, "invalid_credentials")
    answer = await client.post(
        "/password", json=body | {"current_password": PASSWORD}, headers=bearing(access_token)
    )
    assert_throttled(answer, "password-60", ACCOUNT_POLICY.replace("account", "password"))
    other = await client.post("/password", json=body | {"current_password": PASSWORD}, headers=own)
    assert other.status_code == 200, "the holder of a found token does not lock the owner out"


async def test_the_browser_that_changed_the_password_stays_known_under_the_new_one(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    person = await new_person(sql)
    signed_in = await login(client, person, kind="browser")
    body = {"current_password": PASSWORD, "new_password": "another battery horse staple"}
    jar = {"Cookie": f"{DEVICE}={cookie_of(signed_in, DEVICE)}"}
    changed = await client.post(
        "/password", json=body, headers=bearing(signed_in.json()["access_token"]) | jar
    )
    assert cookie_of(changed, DEVICE) != cookie_of(signed_in, DEVICE)


async def test_forged_refresh_tokens_are_turned_away_and_genuine_ones_go_on(
    client: httpx2.AsyncClient, person: Person
) -> None:
    token = (await login(client, person)).json()["refresh_token"]
    for _ in range(4):
        problem_of(await refresh(client, f"{token}x"), 401, "refresh_token_invalid")
    answer = await refresh(client, f"{token}x")
    assert_throttled(answer, "refresh-60", '"refresh-60";q=3;w=60')
    assert (await refresh(client, token)).status_code == 200
