"""Sixty sockets that sign in with right passwords all the time, against people who sign in once."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from app.dev import Servers
from tests.support.connections import Connection, connections
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, new_person
from tests.support.servers import Service

pytestmark = pytest.mark.requirement("P3", "P4")

SOCKETS, HONEST = 60, 20
PAUSE = 0.2  # Seconds: what is refused costs the attackers little, and this machine much.


@pytest.fixture(scope="module")
def hogged(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    proxied = {"AUTH_TRUSTED_PROXIES": "127.0.0.1", "AUTH_PASSWORD_HASH_THREADS": "1"}
    with Service(environment | proxied, tmp_path_factory.mktemp("hogged")) as service:
        yield service


async def sign_in(connection: Connection, person: Person, address: str) -> tuple[int, dict[str, str]]:
    body = {"email": person.email, "password": PASSWORD, "client": "native"}
    forwarded = f"X-Forwarded-For: {address}\r\n"
    status, fields, _ = await connection.exchange("POST", "/login", body, forwarded)
    return status, fields


@pytest.mark.parametrize(
    ("accounts", "networks"), [(1, 1), (1, SOCKETS), (SOCKETS, 1)], ids=["one", "account", "network"]
)
async def test_one_account_or_network_cannot_keep_others_from_signing_in(
    hogged: Service, sql: Sql, accounts: int, networks: int
) -> None:
    attackers = [await new_person(sql) for _ in range(accounts)]
    honest = [await new_person(sql) for _ in range(HONEST)]
    hogs: Counter[int] = Counter()
    waits = set[str]()
    is_hogged, is_over = asyncio.Event(), asyncio.Event()

    async def hog(number: int, connection: Connection) -> None:
        while not is_over.is_set():
            attacker, address = attackers[number % accounts], f"198.51.100.{number % networks}"
            status, fields = await sign_in(connection, attacker, address)
            hogs[status] += 1
            if status == 503:
                waits.add(fields["retry-after"])
                is_hogged.set()
                await asyncio.sleep(PAUSE)

    async def come(number: int, person: Person) -> int:
        connection = await Connection.to(hogged.port)
        status, _ = await sign_in(connection, person, f"203.0.113.{number}")
        await connection.close()
        return status

    async with connections(hogged, each=SOCKETS) as opened:
        attack = asyncio.gather(*(hog(number, connection) for number, connection in enumerate(opened)))
        await is_hogged.wait()
        answers = await asyncio.gather(*(come(number, person) for number, person in enumerate(honest)))
        is_over.set()
        await attack
    assert answers.count(200) >= 0.9 * HONEST
    assert set(hogs) == {200, 503}
    assert waits == {"1"}
