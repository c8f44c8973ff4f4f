"""A login that races a change of its account does not survive it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from app.dev import Servers
from app.domain.refusals import Refused
from app.services.open_session import TokenPair
from app.services.operator.accounts import Accounts
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.depth import depth
from tests.support.people import Person, me, new_person, refresh
from tests.support.races import CHEAP_HASH, Race, inside, rounds, sign_in, waiting

pytestmark = pytest.mark.requirement("R7")

FORCED_ROUNDS = 5
NEW_PASSWORD = "a password that nobody has used before"

Change = Callable[[Accounts, str], Awaitable[int]]
CHANGES: dict[str, Change] = {
    "password": lambda accounts, email: accounts.set_password(email, NEW_PASSWORD),
    "disable": lambda accounts, email: accounts.disable(email),
    "delete": lambda accounts, email: accounts.delete(email),
}


@dataclass(frozen=True)
class Parties:
    """Whoever signs in and whoever operates, each with connections of their own."""

    front: Service
    operator: Accounts

    async def login(self, person: Person) -> TokenPair | None:
        try:
            return await sign_in(self.front, person)
        except Refused:
            return None


@pytest.fixture(scope="module")
async def parties(migrated: Servers, environment: dict[str, str]) -> AsyncIterator[Parties]:
    async with inside(environment) as front, inside(environment) as back:
        yield Parties(front, back.accounts)


@pytest.fixture
async def holder(migrated: Servers) -> AsyncIterator[Sql]:
    """Another connection, which holds locks that others wait for."""
    connection = await connect(migrated.database_url)
    yield connection
    await connection.close()


async def assert_dead(client: httpx.AsyncClient, sql: Sql, person: Person, pair: TokenPair | None) -> None:
    """Nothing that was opened with the old password is left alive."""
    alive = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
    assert await sql.fetchval(alive, person.id) == 0
    if pair is not None:
        refreshed = await refresh(client, pair.refresh_token)
        assert refreshed.status_code == 401
        assert (await me(client, pair.access_token.text)).status_code == 401


@pytest.mark.parametrize("number", depth(20, 500))
@pytest.mark.parametrize("change", CHANGES)
async def test_a_login_that_races_a_change_of_its_account_does_not_survive_it(
    change: str, number: int, parties: Parties, client: httpx.AsyncClient, sql: Sql
) -> None:
    race, seen = Race(change), Counter[bool]()
    for _ in rounds(number, lambda: min(seen[True], seen[False]) > 0):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        pair, _ = await race.run(parties.login(person), CHANGES[change](parties.operator, person.email))
        race.won(first=pair is not None)
        seen[pair is not None] += 1
        await assert_dead(client, sql, person, pair)
        rows = await sql.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", person.id)
        assert rows == (pair is not None and change != "delete")
    assert min(seen[True], seen[False]) > 0, "one side always won: this was no race"


@pytest.mark.parametrize("change", CHANGES)
async def test_a_login_that_is_first_at_the_account_is_ended_by_the_change_behind_it(
    change: str, parties: Parties, client: httpx.AsyncClient, sql: Sql, holder: Sql
) -> None:
    for _ in range(FORCED_ROUNDS):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        async with holder.transaction():
            await holder.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", person.id)
            login = asyncio.ensure_future(parties.login(person))
            await waiting(sql, 1)
            changed = asyncio.ensure_future(CHANGES[change](parties.operator, person.email))
            await waiting(sql, 2)
        pair = await login
        assert pair is not None, "the login did not come first"
        assert await changed == 1
        await assert_dead(client, sql, person, pair)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_login_that_waits_behind_a_change_of_its_account_opens_nothing(
    change: str, parties: Parties, client: httpx.AsyncClient, sql: Sql, holder: Sql
) -> None:
    for _ in range(FORCED_ROUNDS):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        async with holder.transaction():
            await holder.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", person.id)
            changed = asyncio.ensure_future(CHANGES[change](parties.operator, person.email))
            await waiting(sql, 1)
            login = asyncio.ensure_future(parties.login(person))
            await waiting(sql, 2)
        assert await login is None
        assert await changed == 0
        assert await sql.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", person.id) == 0


@pytest.mark.parametrize("change", CHANGES)
async def test_a_login_between_the_two_steps_of_a_change_opens_nothing(
    change: str, parties: Parties, client: httpx.AsyncClient, sql: Sql, holder: Sql
) -> None:
    """The change has looked which sessions to end, and waits for one; a new one would be overlooked."""
    for _ in range(FORCED_ROUNDS):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        earlier = await parties.login(person)
        assert earlier is not None
        async with holder.transaction():
            await holder.execute("SELECT FROM sessions WHERE account_id = $1 FOR UPDATE", person.id)
            changed = asyncio.ensure_future(CHANGES[change](parties.operator, person.email))
            await waiting(sql, 1)
            login = asyncio.ensure_future(parties.login(person))
            await waiting(sql, 2, unless=login)
            account = await sql.fetchrow(
                "SELECT enabled, password_version FROM accounts WHERE id = $1", person.id
            )
            assert tuple(account or ()) == (True, 1), "half of the change is there already"
        pair = await login
        assert await changed == 1
        await assert_dead(client, sql, person, earlier)
        await assert_dead(client, sql, person, pair)
        assert pair is None
