"""Thousands of guesses at one account, over two workers: no more are verified than the limit allows."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from app.dev import Servers
from tests.support.connections import Connection, connections
from tests.support.depth import depth
from tests.support.people import DEVICE, PASSWORD, Person, cookie_of, login
from tests.support.servers import Service
from tests.support.waiting import client_of, complete_logs

pytestmark = pytest.mark.requirement("P3")

CONNECTIONS_EACH, LIMIT = 50, 20


@pytest.fixture
def attacked(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    # With a long queue an account's share has room for all, so the limits decide and not the slots.
    limits = {"AUTH_LOGIN_LIMIT_ACCOUNT": f"{LIMIT}/PT1H", "AUTH_PASSWORD_HASH_QUEUE": "1000"}
    with Service(environment | limits, tmp_path_factory.mktemp("attacked"), workers=2) as service:
        yield service


@pytest.mark.parametrize("guesses", depth(1_000, 30_000))
async def test_of_thousands_of_guesses_the_limit_is_verified_and_the_owner_gets_in_meanwhile(
    attacked: Service, person: Person, guesses: int
) -> None:
    guess = {"email": person.email, "password": "not the password", "client": "native"}
    codes: Counter[str] = Counter()
    under_way, owner_is_in = asyncio.Event(), asyncio.Event()

    async def hammer(connection: Connection) -> None:
        while codes.total() < guesses or not owner_is_in.is_set():
            answer = await connection.post("/login", guess)
            codes[answer.body["code"]] += 1
            if codes.total() > guesses // 10:
                under_way.set()

    async with (
        client_of(attacked) as owner,
        connections(attacked, each=CONNECTIONS_EACH) as attackers,
    ):
        device = cookie_of(await login(owner, person, kind="browser"), DEVICE)
        attack = asyncio.gather(*map(hammer, attackers))
        await under_way.wait()
        body = {"email": person.email, "password": PASSWORD, "client": "browser"}
        stranger = await owner.post("/login", json=body)
        known = await owner.post("/login", json=body, headers={"Cookie": f"{DEVICE}={device}"})
        owner_is_in.set()
        await attack
    assert (stranger.status_code, known.status_code) == (429, 200)
    assert codes == {"invalid_credentials": LIMIT, "too_many_requests": codes.total() - LIMIT}
    assert "throttling.not_shared" not in await complete_logs(attacked)
