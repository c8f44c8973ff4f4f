"""Whatever races a change of the password with the old one in hand does not survive it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import httpx2
import pytest

from app.dev import Servers
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.depth import depth
from tests.support.people import PASSWORD, Person, me, new_person, refresh
from tests.support.races import CHEAP_HASH, Race, inside, rounds, sign_in, waiting

pytestmark = pytest.mark.requirement("R7")

ROUNDS = depth(12, 300)
FORCED_ROUNDS = 5
NEW, OTHER = "a password that nobody has used before", "and one that nobody else has used either"
VISITOR = Visitor("192.0.2.2", "tests")
ACCOUNT = "SELECT FROM accounts WHERE id = $1 FOR UPDATE"
SESSIONS = "SELECT FROM sessions WHERE account_id = $1 FOR UPDATE"
LIVING = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"

T = TypeVar("T")
U = TypeVar("U")
Outcome: TypeAlias = TokenPair | Refusal


async def outcome(attempt: Awaitable[TokenPair]) -> Outcome:
    try:
        return await attempt
    except Refused as refused:
        return refused.refusal


@dataclass(frozen=True)
class Parties:
    """Two replicas, each with connections of its own."""

    front: Service
    back: Service

    async def change(self, opened: TokenPair) -> Outcome:
        change = self.front.use_cases.change_password
        return await outcome(change(opened.access_token.text, PASSWORD, NEW, VISITOR))

    async def change_too(self, opened: TokenPair) -> Outcome:
        change = self.back.use_cases.change_password
        return await outcome(change(opened.access_token.text, PASSWORD, OTHER, VISITOR))

    async def login(self, person: Person, password: str = PASSWORD) -> Outcome:
        login = self.back.use_cases.login
        return await outcome(login(person.email, password, ClientKind.NATIVE, VISITOR))

    async def refresh(self, opened: TokenPair) -> Outcome:
        return await outcome(self.back.use_cases.refresh(opened.refresh_token, ClientKind.NATIVE, VISITOR))


@pytest.fixture(scope="module")
async def parties(migrated: Servers, environment: dict[str, str]) -> AsyncIterator[Parties]:
    async with inside(environment) as front, inside(environment) as back:
        yield Parties(front, back)


@pytest.fixture
async def holder(migrated: Servers) -> AsyncIterator[Sql]:
    """Another connection, which holds locks that others wait for."""
    connection = await connect(migrated.database_url)
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Bench:
    """What each round needs, and the look at what is left after it."""

    parties: Parties
    client: httpx2.AsyncClient
    sql: Sql
    holder: Sql

    async def somebody(self) -> tuple[Person, TokenPair]:
        person = await new_person(self.sql, password_hash=CHEAP_HASH)
        return person, await sign_in(self.parties.front, person)

    async def in_turn(
        self, lock: str, person: Person, first: Awaitable[T], second: Awaitable[U]
    ) -> tuple[T, U]:
        """Let the second one come to the row while the first one waits there already."""
        async with self.holder.transaction():
            await self.holder.execute(lock, person.id)
            ahead = asyncio.ensure_future(first)
            await waiting(self.sql, 1)
            behind = asyncio.ensure_future(second)
            await waiting(self.sql, 2)
        return await ahead, await behind

    async def assert_lives(self, person: Person, survivor: Outcome | None, *others: Outcome) -> None:
        """Of all that was opened only this one is alive, or nothing."""
        for dead in others:
            if isinstance(dead, TokenPair):
                assert (await me(self.client, dead.access_token.text)).status_code == 401
                assert (await refresh(self.client, dead.refresh_token)).json()["code"] == "session_revoked"
        assert await self.sql.fetchval(LIVING, person.id) == (survivor is not None)
        if survivor is not None:
            assert isinstance(survivor, TokenPair), survivor
            assert (await me(self.client, survivor.access_token.text)).status_code == 200
            assert (await refresh(self.client, survivor.refresh_token)).status_code == 200


@pytest.fixture
def bench(parties: Parties, client: httpx2.AsyncClient, sql: Sql, holder: Sql) -> Bench:
    return Bench(parties, client, sql, holder)


@pytest.mark.parametrize("number", ROUNDS)
async def test_of_two_changes_from_the_same_password_one_wins(bench: Bench, number: int) -> None:
    race, parties, seen = Race(1), bench.parties, Counter[object]()

    def is_race() -> bool:
        return min(seen[True], seen[False], seen[Refusal.INVALID_CREDENTIALS]) > 0

    for _ in rounds(number, is_race):
        person, opened = await bench.somebody()
        changed, changed_too = await race.run(parties.change(opened), parties.change_too(opened))
        first_won = isinstance(changed, TokenPair)
        race.won(first=first_won)
        winner, loser = (changed, changed_too) if first_won else (changed_too, changed)
        # Whoever comes when all is over finds the access token revoked.
        assert loser in (Refusal.INVALID_CREDENTIALS, Refusal.INVALID_TOKEN)
        seen.update([first_won, loser])
        await bench.assert_lives(person, winner, opened)
        for password, is_right in ((PASSWORD, False), (NEW, first_won), (OTHER, not first_won)):
            assert isinstance(await parties.login(person, password), TokenPair) is is_right
    assert is_race()


async def test_of_two_changes_that_wait_for_the_account_the_later_one_is_refused(bench: Bench) -> None:
    parties = bench.parties
    for _ in range(FORCED_ROUNDS):
        person, opened = await bench.somebody()
        changed, changed_too = await bench.in_turn(
            ACCOUNT, person, parties.change(opened), parties.change_too(opened)
        )
        assert changed_too is Refusal.INVALID_CREDENTIALS
        await bench.assert_lives(person, changed, opened)
        version = await bench.sql.fetchval("SELECT password_version FROM accounts WHERE id = $1", person.id)
        assert version == 2


@pytest.mark.parametrize("number", ROUNDS)
@pytest.mark.parametrize("rival", ["login", "refresh"])
async def test_what_the_old_password_opened_while_it_was_changed_is_over(
    bench: Bench, rival: str, number: int
) -> None:
    race, parties, seen = Race(rival), bench.parties, Counter[bool]()
    for _ in rounds(number, lambda: min(seen[True], seen[False]) > 0):
        person, opened = await bench.somebody()
        racing = parties.login(person) if rival == "login" else parties.refresh(opened)
        raced, changed = await race.run(racing, parties.change(opened))
        race.won(first=isinstance(raced, TokenPair))
        seen[isinstance(raced, TokenPair)] += 1
        refused = Refusal.INVALID_CREDENTIALS if rival == "login" else Refusal.SESSION_REVOKED
        assert isinstance(raced, TokenPair) or raced is refused
        await bench.assert_lives(person, changed, opened, raced)
    assert min(seen[True], seen[False]) > 0, "one side always won: this was no race"


async def test_a_login_that_is_first_at_the_account_is_ended_by_the_change_behind_it(bench: Bench) -> None:
    parties = bench.parties
    for _ in range(FORCED_ROUNDS):
        person, opened = await bench.somebody()
        signed_in, changed = await bench.in_turn(
            ACCOUNT, person, parties.login(person), parties.change(opened)
        )
        assert isinstance(signed_in, TokenPair), "the login did not come first"
        await bench.assert_lives(person, changed, opened, signed_in)


@pytest.mark.parametrize("lock", [ACCOUNT, SESSIONS], ids=["before it", "between its two steps"])
async def test_a_login_behind_a_change_that_has_begun_opens_nothing(bench: Bench, lock: str) -> None:
    parties = bench.parties
    for _ in range(FORCED_ROUNDS):
        person, opened = await bench.somebody()
        changed, signed_in = await bench.in_turn(lock, person, parties.change(opened), parties.login(person))
        assert signed_in is Refusal.INVALID_CREDENTIALS
        await bench.assert_lives(person, changed, opened)


async def test_a_refresh_before_and_behind_the_change_is_ended_or_refused(bench: Bench) -> None:
    parties = bench.parties
    for _ in range(FORCED_ROUNDS):
        person, opened = await bench.somebody()
        renewed, changed = await bench.in_turn(
            SESSIONS, person, parties.refresh(opened), parties.change(opened)
        )
        assert isinstance(renewed, TokenPair), "the refresh did not come first"
        await bench.assert_lives(person, changed, opened, renewed)

        person, opened = await bench.somebody()
        changed, refused = await bench.in_turn(
            SESSIONS, person, parties.change(opened), parties.refresh(opened)
        )
        assert refused is Refusal.SESSION_REVOKED
        await bench.assert_lives(person, changed, opened)


@pytest.mark.parametrize("number", ROUNDS)
async def test_an_account_disabled_while_its_password_is_changed_has_nothing_left(
    bench: Bench, number: int
) -> None:
    race, parties, seen = Race(4), bench.parties, Counter[bool]()
    for _ in rounds(number, lambda: min(seen[True], seen[False]) > 0):
        person, opened = await bench.somebody()
        changed, _ = await race.run(parties.change(opened), parties.back.accounts.disable(person.email))
        race.won(first=isinstance(changed, TokenPair))
        seen[isinstance(changed, TokenPair)] += 1
        await bench.assert_lives(person, None, opened, changed)
        for password in (PASSWORD, NEW):
            assert not isinstance(await parties.login(person, password), TokenPair)
    assert min(seen[True], seen[False]) > 0, "one side always won: this was no race"


@pytest.mark.parametrize("lock", [ACCOUNT, SESSIONS], ids=["account", "sessions"])
async def test_whichever_comes_first_of_disabling_and_changing_nothing_is_left(
    bench: Bench, lock: str
) -> None:
    parties = bench.parties
    disable = parties.back.accounts.disable
    for _ in range(FORCED_ROUNDS):
        person, opened = await bench.somebody()
        _, changed = await bench.in_turn(lock, person, disable(person.email), parties.change(opened))
        assert changed is Refusal.INVALID_CREDENTIALS
        await bench.assert_lives(person, None, opened)

        person, opened = await bench.somebody()
        changed, _ = await bench.in_turn(lock, person, parties.change(opened), disable(person.email))
        await bench.assert_lives(person, None, opened, changed)
