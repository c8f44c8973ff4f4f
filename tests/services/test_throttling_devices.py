"""Devices that an account knows: strangers cannot lock them out, and their tokens give no free budget."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from app.dev import Servers
from app.domain.accounts import canonical_email
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.services.slots import Slots
from app.wiring import Service
from tests.support.database import MINUTE, WRONG, Sql, code, counted, exhaust, guess, used_up
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH

pytestmark = pytest.mark.requirement("P3")

FAILED = Refusal.INVALID_CREDENTIALS
NEW_PASSWORD = "another battery horse staple"


@pytest.fixture
async def person(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def known_device(service: Service, person: Person, other: str = "") -> str:
    """The device tokens of a device on which the owner has signed in."""
    pair = await guess(service, person.email, PASSWORD, device=other)
    assert isinstance(pair, TokenPair)
    assert pair.device
    return pair.device


def forged(service: Service, email: str, version: int) -> str:
    """The device token that someone who has the service secret can write."""
    return service.core.crypto.devices.remember(None, canonical_email(email), version)


async def test_an_attacker_cannot_lock_out_an_owner_with_a_known_device(
    strict: Service, person: Person
) -> None:
    device = await known_device(strict, person)
    await exhaust(strict, person.email)
    for _ in range(4):
        assert used_up(await guess(strict, person.email, PASSWORD)) == ("account", MINUTE)
        pair = await guess(strict, person.email, PASSWORD, device=device)
        assert isinstance(pair, TokenPair)
        assert pair.device


async def test_a_known_device_without_budget_counts_as_an_unknown_one(
    strict: Service, person: Person
) -> None:
    device = await known_device(strict, person)
    await exhaust(strict, person.email, device=device)
    # Both ways are closed; the refusal names the one that opens first.
    assert used_up(await guess(strict, person.email, PASSWORD, device=device)) == ("device", MINUTE)
    await strict.accounts.unlock(person.email)
    await exhaust(strict, person.email, 2, device=device)
    assert isinstance(await guess(strict, person.email, PASSWORD, device=device), TokenPair)
    # A right password clears the budgets of both kinds.
    await exhaust(strict, person.email, device=device)


async def test_a_device_of_another_account_is_unknown(strict: Service, person: Person, sql: Sql) -> None:
    another = await new_person(sql, password_hash=CHEAP_HASH)
    device = await known_device(strict, another)
    await exhaust(strict, person.email, device=device)
    assert used_up(await guess(strict, person.email, PASSWORD, device=device)) == ("account", MINUTE)
    both = await known_device(strict, another, device)
    assert both.count("wwd_") == 1


async def test_devices_that_know_only_a_former_password_share_a_budget_of_their_own(
    strict: Service, person: Person
) -> None:
    former = await known_device(strict, person)
    await strict.accounts.set_password(person.email, "another battery horse staple")
    pair = await guess(strict, person.email, "another battery horse staple", device="")
    assert isinstance(pair, TokenPair)
    await exhaust(strict, person.email, 3, device=former)
    outcome = await guess(strict, person.email, "another battery horse staple", device=pair.device)
    assert isinstance(outcome, TokenPair)


async def test_neither_the_network_nor_the_global_limit_of_strangers_locks_a_known_device_out(
    strict: Service, person: Person
) -> None:
    device = await known_device(strict, person)
    for number in range(20):
        await guess(strict, f"{number}@example.com", address=f"192.0.2.{number % 3}")
    assert isinstance(await guess(strict, person.email, PASSWORD), TooManyRequests)
    assert isinstance(await guess(strict, person.email, PASSWORD, device=device), TokenPair)


async def test_failures_of_known_devices_count_for_strangers_too(
    strict: Service, person: Person, migrated: Servers
) -> None:
    device = await known_device(strict, person)
    await exhaust(strict, person.email, device=device)
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("account", MINUTE)
    held = counted(migrated.redis_url)
    label = strict.core.crypto.secrets.label(person.email)
    assert held == {
        f"device/{label}/1": 3,
        f"account/{label}": 3,
        **{f"address/{known}198.51.100.{number}": 1 for known in ("", "known/") for number in range(3)},
    }


async def test_a_right_password_on_a_known_device_gives_strangers_no_guess_back(
    strict: Service, person: Person
) -> None:
    device = await known_device(strict, person)
    await exhaust(strict, person.email)
    for _ in range(5):
        assert isinstance(await guess(strict, person.email, PASSWORD, device=device), TokenPair)
        assert used_up(await guess(strict, person.email)) == ("account", MINUTE)


async def test_forged_device_tokens_of_any_version_have_two_budgets_together(
    strict: Service, person: Person
) -> None:
    await strict.accounts.set_password(person.email, "one battery horse staple")
    await strict.accounts.set_password(person.email, NEW_PASSWORD)
    outcomes = await asyncio.gather(
        *(
            guess(
                strict,
                person.email,
                address=f"198.51.{version % 7}.{number}",
                device=forged(strict, person.email, version),
            )
            for number in range(20)
            for version in (0, 1, 2, 3, 4, 5, 2**32 - 1)
        )
    )
    # Three as devices that know the present password, three as those that know a former one. All of them
    # count for unknown devices too, which have three at most.
    assert 6 <= Counter(map(code, outcomes))[FAILED] <= 9
    budgets = {outcome.budget.name for outcome in outcomes if isinstance(outcome, TooManyRequests)}
    assert budgets == {"device", "account"}


@pytest.mark.parametrize("exists", [True, False])
async def test_a_version_that_the_account_never_had_makes_a_device_unknown(
    strict: Service, person: Person, exists: bool
) -> None:
    email = person.email if exists else f"no-{person.email}"
    await exhaust(strict, email)
    # An account that does not exist is treated like a new one, whose version is 1.
    assert used_up(await guess(strict, email, device=forged(strict, email, 2))) == ("account", MINUTE)
    await exhaust(strict, email, device=forged(strict, email, 1))
    assert isinstance(await guess(strict, email, device=forged(strict, email, 1)), TooManyRequests)


async def test_forged_device_tokens_for_many_accounts_are_limited_by_their_network(
    strict: Service,
) -> None:
    emails = [f"{number}@example.com" for number in range(7)]
    *outcomes, last = [await guess(strict, email, device=forged(strict, email, 1)) for email in emails]
    assert {code(outcome) for outcome in outcomes} == {FAILED}
    assert used_up(last) == ("address", MINUTE)


async def test_strangers_who_hold_an_account_s_slots_hold_none_of_its_known_devices(
    strict: Service, person: Person
) -> None:
    device, login = await known_device(strict, person), strict.use_cases.login
    slots = Slots(4)
    login = replace(login, guesses=replace(login.guesses, slots=slots))

    async def outcome(address: str, device: str | None = None) -> Refusal | None:
        try:
            await login(person.email, PASSWORD, ClientKind.BROWSER, Visitor(address, None), device)
        except Refused as refused:
            return refused.refusal
        return None

    async def version() -> int:
        return 1

    stranger = strict.core.guesses.throttle.login(canonical_email(person.email), "2001:db8::1", None, version)
    with slots.take(stranger.holders):
        assert await outcome("192.0.2.1") is Refusal.OVERLOADED
        assert await outcome("192.0.2.1", device) is None
        # A network holds half of the slots, and an IPv6 network is a /48.
        with slots.take([stranger.holders[1]]):
            assert await outcome("2001:db8:0:ffff::1", device) is Refusal.OVERLOADED
            assert await outcome("2001:db8:1::1", device) is None


async def change_password(service: Service, token: str, current: str, address: str) -> Refused | TokenPair:
    try:
        return await service.use_cases.change_password(token, current, NEW_PASSWORD, Visitor(address, None))
    except Refused as refused:
        return refused


async def test_strangers_lock_no_one_out_of_the_change_of_the_password(
    strict: Service, person: Person
) -> None:
    pair = await guess(strict, person.email, PASSWORD)
    assert isinstance(pair, TokenPair)
    for number in range(20):
        await guess(strict, person.email, address=f"192.0.2.{number % 3}")
    changed = await change_password(strict, pair.access_token.text, PASSWORD, "192.0.2.1")
    assert isinstance(changed, TokenPair)


async def test_guesses_in_a_change_of_the_password_count_for_the_account_and_the_network(
    strict: Service, person: Person, sql: Sql
) -> None:
    pair = await guess(strict, person.email, PASSWORD)
    assert isinstance(pair, TokenPair)
    for _ in range(3):
        outcome = await change_password(strict, pair.access_token.text, WRONG, "192.0.2.1")
        assert code(outcome) is FAILED
    refused = await change_password(strict, pair.access_token.text, PASSWORD, "192.0.2.1")
    assert used_up(refused) == ("password", MINUTE)
    assert used_up(await guess(strict, person.email, address="192.0.2.9")) == ("account", MINUTE)
    # With sessions of other accounts the network has three more, for strangers as well.
    others = [await new_person(sql, password_hash=CHEAP_HASH) for _ in range(2)]
    pairs = [await guess(strict, other.email, PASSWORD, address="192.0.2.7") for other in others]
    tokens = [other.access_token.text for other in pairs if isinstance(other, TokenPair)]
    outcomes = [await change_password(strict, token, WRONG, "192.0.2.1") for token in tokens * 2]
    assert [code(outcome) for outcome in outcomes[:3]] == [FAILED] * 3
    assert used_up(outcomes[3]) == ("address", MINUTE)
