"""Health, and what goes on while Redis or Postgres is away: a pair of servers of this file's own."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
import redis

from tests.support.database import connect
from tests.support.people import (
    Person,
    browser_login,
    cookies_of,
    login,
    me,
    new_person,
    problem_of,
    refresh,
    with_cookie,
)
from tests.support.servers import PrivateServers, Service, migrate, private_pair
from tests.support.waiting import WELL, client_of, until


@pytest.fixture(scope="module")
def pair() -> Iterator[PrivateServers]:
    """A pair of servers for the whole file; each test starts again what it killed."""
    with private_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def service(pair: PrivateServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    migrate(pair.environment)
    with Service(pair.environment, tmp_path_factory.mktemp("health")) as service:
        yield service


@pytest.fixture
async def person(service: Service, pair: PrivateServers) -> Person:
    connection = await connect(pair.servers.database_url)
    try:
        return await new_person(connection)
    finally:
        await connection.close()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service that has all it needs."""
    async with client_of(service) as client:
        await becomes(client, WELL)
        yield client


async def becomes(client: httpx2.AsyncClient, expected: dict[str, str]) -> httpx2.Response:
    """Ask until the service reports this, and anything besides; the answer that did."""
    answer = await client.get("/readyz")

    async def has_become() -> bool:
        nonlocal answer
        answer = await client.get("/readyz")
        return bool(expected.items() <= answer.json().items())

    await until(has_become)
    return answer


async def test_a_service_with_all_it_needs_is_alive_and_ready(client: httpx2.AsyncClient) -> None:
    alive, ready = await client.get("/livez"), await client.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, WELL)
    for answer in (alive, ready):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/.well-known/jwks.json"])
async def test_head_answers_as_get_does_without_the_body(client: httpx2.AsyncClient, path: str) -> None:
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    varying = {"date", "x-request-id"}
    for name in got.headers.keys() - varying:
        assert head.headers[name] == got.headers[name], name


async def test_without_postgres_the_service_is_alive_but_not_ready_until_postgres_is_back(
    client: httpx2.AsyncClient, pair: PrivateServers, person: Person
) -> None:
    tokens = (await login(client, person)).json()
    cookie, _ = await browser_login(client, person)
    key_set = (await client.get("/.well-known/jwks.json")).content
    pair.postgres.kill()
    try:
        answer = await becomes(client, {"status": "not ready", "postgres": "failing"})
        head = await client.head("/readyz")
        assert (answer.status_code, head.status_code) == (503, 503)
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/.well-known/jwks.json")).content == key_set
        signing_out = await client.post("/logout", headers=with_cookie(cookie))
        for answer in (
            await login(client, person),
            await refresh(client, tokens["refresh_token"]),
            await me(client, tokens["access_token"]),
            signing_out,
        ):
            problem_of(answer, 503, "unavailable")
        assert cookies_of(signing_out) == []
    finally:
        pair.postgres.start()

    assert (await becomes(client, WELL)).status_code == 200
    assert (await refresh(client, tokens["refresh_token"])).status_code == 200
    assert (await me(client, tokens["access_token"])).status_code == 200
    assert (await client.post("/refresh", headers=with_cookie(cookie))).status_code == 200


async def a_session_runs(client: httpx2.AsyncClient, person: Person) -> str:
    """Login, refresh, me and logout do all that they should; the access token that this revoked."""
    opened = (await login(client, person)).json()
    renewed = (await refresh(client, opened["refresh_token"])).json()
    assert (await me(client, opened["access_token"])).status_code == 200
    assert (await me(client, renewed["access_token"])).status_code == 200
    ended = await client.post("/logout", json={"refresh_token": renewed["refresh_token"]})
    assert ended.status_code == 204
    problem_of(await refresh(client, renewed["refresh_token"]), 401, "session_revoked")
    problem_of(await me(client, opened["access_token"]), 401, "invalid_token")
    access_token: str = renewed["access_token"]
    problem_of(await me(client, access_token), 401, "invalid_token")
    return access_token


@pytest.mark.requirement("L2")
async def test_without_redis_everything_goes_on_and_what_was_revoked_stays_revoked(
    client: httpx2.AsyncClient, pair: PrivateServers, person: Person
) -> None:
    living = (await login(client, person)).json()
    revoked = [await a_session_runs(client, person)]
    pair.valkey.kill()
    try:
        problem_of(await me(client, revoked[0]), 401, "invalid_token")
        assert (await me(client, living["access_token"])).status_code == 200
        revoked.append(await a_session_runs(client, person))
        answer = await becomes(client, WELL | {"redis": "failing"})
        assert answer.status_code == 200
    finally:
        pair.valkey.start()

    for when in ("before", "after"):
        for token in revoked:
            problem_of(await me(client, token), 401, "invalid_token")
        assert (await me(client, living["access_token"])).status_code == 200
        if when == "before":
            await becomes(client, WELL)


async def test_with_a_redis_that_does_not_answer_everything_goes_on(
    client: httpx2.AsyncClient, pair: PrivateServers, person: Person
) -> None:
    living = (await login(client, person)).json()
    revoked = [await a_session_runs(client, person)]
    pair.valkey.pause()
    try:
        problem_of(await me(client, revoked[0]), 401, "invalid_token")
        assert (await me(client, living["access_token"])).status_code == 200
        revoked.append(await a_session_runs(client, person))
        assert (await client.get("/readyz")).status_code == 200
    finally:
        pair.valkey.resume()
    for token in revoked:
        problem_of(await me(client, token), 401, "invalid_token")
    assert (await me(client, living["access_token"])).status_code == 200


@pytest.mark.requirement("L2")
async def test_after_redis_was_flushed_what_was_revoked_stays_revoked(
    client: httpx2.AsyncClient, pair: PrivateServers, person: Person
) -> None:
    living = (await login(client, person)).json()
    revoked = await a_session_runs(client, person)
    with redis.Redis.from_url(pair.servers.redis_url) as index:

        async def is_filled() -> bool:
            return bool(index.dbsize() > 1)

        assert await is_filled()
        index.flushall()
        problem_of(await me(client, revoked), 401, "invalid_token")
        assert (await me(client, living["access_token"])).status_code == 200
        await until(is_filled)
    await becomes(client, WELL)
    problem_of(await me(client, revoked), 401, "invalid_token")
