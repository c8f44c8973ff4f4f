"""Guesses at passwords: how many are allowed, what they are charged to, and whom they do not affect."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from app.dev import Servers
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.services.slots import Overloaded, Slots
from app.storage.redis.throttling import FailureCounters
from app.wiring import Service
from tests.support.database import (
    HOUR,
    MINUTE,
    WRONG,
    Sql,
    code,
    counted,
    exhaust,
    guess,
    let_pass,
    limited,
    used_up,
)
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH
from tests.support.servers import ISSUER

pytestmark = pytest.mark.requirement("P3")


@pytest.fixture
async def person(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def test_the_guesses_at_an_account_are_limited_from_all_addresses_together(
    strict: Service, person: Person
) -> None:
    await exhaust(strict, person.email)
    for spelling in (person.email, f"  {person.email.upper()} "):
        assert used_up(await guess(strict, spelling, PASSWORD)) == ("account", MINUTE)


@pytest.mark.parametrize("email", ["nobody@example.com", "no address at all", "", "\ud800"])
async def test_guesses_at_an_unknown_account_count_in_the_same_way(
    strict: Service, migrated: Servers, email: str
) -> None:
    await exhaust(strict, email)
    assert used_up(await guess(strict, email)) == ("account", MINUTE)
    assert "example.com" not in str(counted(migrated.redis_url))


async def test_the_delay_grows_with_the_failures(strict: Service, person: Person, migrated: Servers) -> None:
    await exhaust(strict, person.email)
    let_pass(migrated.redis_url, MINUTE)
    await exhaust(strict, person.email, 2)
    let_pass(migrated.redis_url, MINUTE)
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("account", HOUR)
    let_pass(migrated.redis_url, HOUR)
    await strict.keys.load()  # No replica signs with what it knew of its keys an hour ago.
    assert isinstance(await guess(strict, person.email, PASSWORD), TokenPair)


async def test_a_success_clears_earlier_failures(strict: Service, person: Person) -> None:
    for _ in range(3):
        await exhaust(strict, person.email, 2)
        assert isinstance(await guess(strict, person.email, PASSWORD), TokenPair)


async def test_successes_are_not_counted(strict: Service, sql: Sql, migrated: Servers) -> None:
    for _ in range(10):
        person = await new_person(sql, password_hash=CHEAP_HASH)
        assert isinstance(await guess(strict, person.email, PASSWORD), TokenPair)
    assert counted(migrated.redis_url) == {}


async def test_a_success_with_another_account_does_not_clear_the_failures_of_the_network(
    strict: Service, person: Person
) -> None:
    for number in range(6):
        assert code(await guess(strict, f"{number}@example.com")) is Refusal.INVALID_CREDENTIALS
        if number < 5:
            assert isinstance(await guess(strict, person.email, PASSWORD), TokenPair)
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("address", MINUTE)


@pytest.mark.parametrize("addresses", ["2001:db8:0:1::{0}", "192.0.2.1", "::ffff:192.0.2.1"])
async def test_the_guesses_from_a_network_are_limited_over_all_accounts(
    strict: Service, addresses: str
) -> None:
    for number in range(6):
        outcome = await guess(strict, f"{number}@example.com", address=addresses.format(number))
        assert code(outcome) is Refusal.INVALID_CREDENTIALS
    outcome = await guess(strict, "another@example.com", address=addresses.format(7))
    assert used_up(outcome) == ("address", MINUTE)
    neighbour = await guess(strict, "another@example.com", address="2001:db8:0:2::1")
    assert code(neighbour) is Refusal.INVALID_CREDENTIALS


async def test_a_refused_guess_is_not_charged(strict: Service, person: Person, migrated: Servers) -> None:
    await exhaust(strict, person.email)
    before = counted(migrated.redis_url)
    for _ in range(20):
        used_up(await guess(strict, person.email))
    assert counted(migrated.redis_url) == before
    for number in range(6):
        await guess(strict, f"{number}@example.com", address="203.0.113.1")
    before = counted(migrated.redis_url)
    assert used_up(await guess(strict, "new@example.com", address="203.0.113.1")) == ("address", MINUTE)
    assert counted(migrated.redis_url) == before


async def test_an_operator_can_unlock_an_account_for_unknown_devices(strict: Service, person: Person) -> None:
    await exhaust(strict, person.email)
    await strict.accounts.unlock(person.email)
    assert isinstance(await guess(strict, person.email, PASSWORD), TokenPair)
    with pytest.raises(Refused) as unknown:
        await strict.accounts.unlock("nobody@example.com")
    assert unknown.value.refusal is Refusal.ACCOUNT_UNKNOWN


async def test_unlocking_is_refused_without_redis(strict: Service, person: Person) -> None:
    now = strict.core.clock()
    counters = FailureCounters("redis://127.0.0.1:1", ISSUER, lambda: now)
    await counters.settle(())
    assert not counters.is_shared
    accounts = replace(strict.accounts, throttle=replace(strict.accounts.throttle, counters=counters))
    with pytest.raises(Refused) as refused:
        await accounts.unlock(person.email)
    assert refused.value.refusal is Refusal.LIMITS_NOT_SHARED
    await counters.close()


async def test_a_guess_that_revealed_nothing_is_refunded(
    strict: Service, person: Person, migrated: Servers, sql: Sql
) -> None:
    await sql.execute("ALTER TABLE accounts RENAME TO lost")
    try:
        for _ in range(10):
            assert code(await guess(strict, person.email)) is Refusal.UNAVAILABLE
    finally:
        await sql.execute("ALTER TABLE lost RENAME TO accounts")
    assert counted(migrated.redis_url) == {}


async def test_a_guess_without_a_free_slot_is_refused_before_it_is_charged(
    strict: Service, person: Person, migrated: Servers
) -> None:
    pair = await guess(strict, person.email, PASSWORD)
    assert isinstance(pair, TokenPair)
    change, token = strict.use_cases.change_password, pair.access_token.text
    guesses = replace(change.guesses, slots=Slots(1))
    login = replace(strict.use_cases.login, guesses=guesses)
    with guesses.slots.take([]):
        with pytest.raises(Overloaded):
            await login(person.email, WRONG, ClientKind.NATIVE, Visitor(None, None))
        with pytest.raises(Overloaded):
            await replace(change, guesses=guesses)(
                token, WRONG, "another battery horse staple", Visitor(None, None)
            )
    assert counted(migrated.redis_url) == {}
    assert code(await guess(strict, person.email)) is Refusal.INVALID_CREDENTIALS


async def test_guesses_at_a_disabled_account_are_limited(strict: Service, person: Person) -> None:
    await strict.accounts.disable(person.email)
    for _ in range(3):
        assert code(await guess(strict, person.email, PASSWORD)) is Refusal.ACCOUNT_DISABLED
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("account", MINUTE)


@pytest.mark.parametrize("password", [PASSWORD, WRONG])
async def test_right_and_wrong_guesses_are_charged_alike_while_nothing_can_be_written(
    strict: Service, person: Person, sql: Sql, password: str
) -> None:
    await sql.execute("""
        CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$
    """)
    await sql.execute("CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()")
    try:
        outcomes = [await guess(strict, person.email, password) for _ in range(3)]
    finally:
        await sql.execute("DROP TRIGGER full_disk ON events")
    assert {code(outcome) for outcome in outcomes} == {Refusal.UNAVAILABLE}
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("account", MINUTE)


async def test_parallel_guesses_over_two_processes_count_like_successive_ones(
    strict: Service, person: Person, environment: dict[str, str]
) -> None:
    async with limited(environment) as another:
        outcomes = await asyncio.gather(
            *(
                guess(service, person.email, WRONG, address=f"198.51.100.{number}")
                for number in range(100)
                for service in (strict, another)
            )
        )
    verified = Counter(code(outcome) for outcome in outcomes)
    assert verified == {Refusal.INVALID_CREDENTIALS: 3, Refusal.TOO_MANY_REQUESTS: 197}
