"""``Idempotency-Key`` on ``POST /refresh``: its forms, what is refused, and who may send it."""

from collections.abc import Iterator

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql
from tests.support.people import (
    Person,
    browser_login,
    cookie_of,
    everything,
    login,
    problem_of,
    refresh,
    sessions_of,
    with_cookie,
)
from tests.support.servers import Service

pytestmark = pytest.mark.requirement("R4")

APP = "https://app.example.com"
SHORTEST, LONGEST = "k" * 16, "k" * 64
KEYS = {
    "a UUID": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    "hexadecimal": "8e03978e40d543ddbc936894a57f9324",
    "base64": "jgOXjkDVQ928k2iUpX+TJA==",
    "base64url": "jgOXjkDVQ928k2iUpX-T_A",
    "with a prefix": "refresh:2026-11-27T02:36:14.5~1/2",
    "the shortest": SHORTEST,
    "the longest": LONGEST,
}
REFUSED: dict[str, list[str | bytes]] = {
    "empty": [""],
    "an empty string": ['""'],
    "too short": ["k" * 15],
    "too short in quotes": ['"kkkkkkkkkkkkkkk"'],
    "too long": ["k" * 65],
    "without its last quote": [f'"{SHORTEST}'],
    "without its first quote": [f'{SHORTEST}"'],
    "quoted twice": [f'""{SHORTEST}""'],
    "in other quotes": [f"'{SHORTEST}'"],
    "an escape": [f'"{SHORTEST}\\""'],
    "white space within": ["kkkkkkkk kkkkkkkk"],
    "other letters": ["kkkkkkkkkkkkkkké".encode()],
    "parameters": [f'"{SHORTEST}";a=1'],
    "a list": [f"{SHORTEST},{LONGEST}"],
    "twice": [SHORTEST, LONGEST],
    "the same one twice": [SHORTEST, SHORTEST],
    "an empty one beside it": [SHORTEST, ""],
}
LATER = (
    "UPDATE sessions SET superseded_at = ARRAY[superseded_at[1] - interval '6 days'] WHERE account_id = $1"
)


@pytest.fixture(scope="module")
def service(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that a frontend of another origin may use."""
    with Service(environment | {"AUTH_ALLOWED_ORIGINS": APP}, tmp_path_factory.mktemp("keys")) as service:
        yield service


async def native(client: httpx2.AsyncClient, token: str, *keys: str | bytes) -> httpx2.Response:
    headers = [(b"Idempotency-Key", key if isinstance(key, bytes) else key.encode()) for key in keys]
    return await client.post("/refresh", json={"refresh_token": token}, headers=headers)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_a_key_is_one_key_in_quotes_or_without(
    client: httpx2.AsyncClient, person: Person, sql: Sql, key: str
) -> None:
    token = (await login(client, person)).json()["refresh_token"]
    successor = (await native(client, token, key)).json()["refresh_token"]
    await sql.execute(LATER, person.id)
    for form in (f'"{key}"', key):
        answer = await native(client, token, form)
        assert answer.status_code == 200, answer.text
        assert answer.json()["refresh_token"] == successor


@pytest.mark.parametrize("keys", REFUSED.values(), ids=REFUSED)
async def test_what_is_not_one_key_is_refused_by_the_name_of_the_header_and_changes_nothing(
    client: httpx2.AsyncClient, person: Person, sql: Sql, keys: list[str | bytes]
) -> None:
    token = (await login(client, person)).json()["refresh_token"]
    before = await sessions_of(sql, person)

    answer = await native(client, token, *keys)

    (error,) = problem_of(answer, 422, "invalid_request")["errors"]
    assert (error["field"], error["reason"]) == ("Idempotency-Key", "string_pattern_mismatch")
    assert "16 to 64" in error["advice"]
    assert "kkkkkkkk" not in everything(answer)
    assert await sessions_of(sql, person) == before
    assert (await refresh(client, token)).status_code == 200


async def test_a_malformed_key_is_refused_even_without_a_token(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/refresh", headers={"Idempotency-Key": "short"})
    problem_of(answer, 422, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": APP, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_a_browser_may_send_a_key_too_from_the_same_origin_and_from_an_allowed_one(
    client: httpx2.AsyncClient, person: Person, sql: Sql, headers: dict[str, str]
) -> None:
    token, _ = await browser_login(client, person)
    headers = headers | with_cookie(token) | {"Idempotency-Key": KEYS["a UUID"]}
    successor = cookie_of(await client.post("/refresh", headers=headers))
    await sql.execute(LATER, person.id)
    assert cookie_of(await client.post("/refresh", headers=headers)) == successor
    assert successor != token


@pytest.mark.requirement("C4")
async def test_a_preflight_of_an_allowed_origin_grants_the_header(client: httpx2.AsyncClient) -> None:
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,idempotency-key",
    }
    answer = await client.options("/refresh", headers=asked)
    assert answer.status_code == 200
    assert "idempotency-key" in answer.headers["access-control-allow-headers"]


@pytest.mark.requirement("C3")
async def test_a_key_lets_no_page_of_another_site_in(
    client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token, _ = await browser_login(client, person)
    before = await sessions_of(sql, person)
    headers = with_cookie(token) | {"Sec-Fetch-Site": "cross-site", "Idempotency-Key": "short"}
    problem_of(await client.post("/refresh", headers=headers), 403, "cross_site_request")
    assert await sessions_of(sql, person) == before


async def test_the_document_describes_the_header(client: httpx2.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    (parameter,) = document["paths"]["/refresh"]["post"]["parameters"]
    assert (parameter["name"], parameter["in"], parameter.get("required")) == (
        "Idempotency-Key",
        "header",
        None,
    )
    assert parameter["schema"]["type"] == "string"
    assert "parameters" not in document["paths"]["/logout"]["post"]
