"""Networks: IPv6 counts by three prefixes, and the global limit refuses networks that fail before others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from app.domain.refusals import Refusal
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import MINUTE, WRONG, Sql, code, guess, let_pass, limited, used_up
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH

pytestmark = pytest.mark.requirement("P3")

FAILED, THROTTLED = Refusal.INVALID_CREDENTIALS, Refusal.TOO_MANY_REQUESTS
ADDRESS_LIMIT, GLOBAL_LIMIT = 6, 10


@pytest.fixture
async def person(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


@pytest.fixture
async def roomy(migrated: object, environment: dict[str, str]) -> AsyncIterator[Service]:
    """A service whose global limit is not reached."""
    async with limited(environment, login_limit_global="1000/PT1M") as service:
        yield service


async def attack(service: Service, addresses: list[str]) -> Counter[Refusal | None]:
    """Guess once from each address, each time at another account, all at the same time."""
    outcomes = await asyncio.gather(
        *(
            guess(service, f"{number}@example.com", address=address)
            for number, address in enumerate(addresses)
        )
    )
    return Counter(map(code, outcomes))


async def signs_in(service: Service, person: Person, address: str) -> bool:
    return isinstance(await guess(service, person.email, PASSWORD, address=address), TokenPair)


async def test_a_56_has_four_times_the_failures_of_an_address_and_a_48_sixteen_times(
    roomy: Service, person: Person
) -> None:
    sites = [[f"2001:db8:1:{site:02x}{number:02x}::1" for number in range(256)] for site in range(8)]
    assert await attack(roomy, sites[0]) == {FAILED: 4 * ADDRESS_LIMIT, THROTTLED: 232}
    refused = await guess(roomy, person.email, PASSWORD, address="2001:db8:1:00ff:9::1")
    assert used_up(refused) == ("address", MINUTE)
    for neighbour in ("2001:db8:1:ff00::1", "2001:db8:2::1", "192.0.2.1"):
        assert await signs_in(roomy, person, neighbour)
    for site in sites[1:4]:
        assert (await attack(roomy, site))[FAILED] == 4 * ADDRESS_LIMIT
    # The /48 has had sixteen times as many as an address may have, and its other networks are refused too.
    assert (await attack(roomy, sites[4]))[FAILED] == 0
    refused = await guess(roomy, person.email, PASSWORD, address="2001:db8:1:ff00::1")
    assert used_up(refused) == ("address", MINUTE)
    for neighbour in ("2001:db8:2::1", "192.0.2.1"):
        assert await signs_in(roomy, person, neighbour)


async def test_the_global_limit_refuses_networks_that_fail_and_not_those_that_do_not(
    strict: Service, person: Person
) -> None:
    attackers = ["198.51.100.1", "198.51.100.2"]
    assert await attack(strict, attackers * 50) == {FAILED: GLOBAL_LIMIT, THROTTLED: 90}
    for attacker in attackers:
        refused = await guess(strict, person.email, PASSWORD, address=attacker)
        assert used_up(refused) == ("everyone", MINUTE)
    for number in range(3):
        assert await signs_in(strict, person, f"192.0.2.{number}")
    # A network that was quiet has one failure free, as small as these limits are.
    assert code(await guess(strict, person.email, address="192.0.2.1")) is FAILED
    refused = await guess(strict, person.email, PASSWORD, address="192.0.2.1")
    assert used_up(refused) == ("everyone", MINUTE)


async def test_as_many_failures_as_the_global_limit_are_reserved_for_quiet_networks(
    strict: Service, person: Person
) -> None:
    botnet = [f"198.51.{number}.1" for number in range(100)]
    assert await attack(strict, botnet * 2) == {FAILED: 2 * GLOBAL_LIMIT, THROTTLED: 180}
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("everyone", MINUTE)


async def test_replicas_tell_quiet_networks_apart_together(
    strict: Service, person: Person, environment: dict[str, str]
) -> None:
    async with limited(environment) as another:
        botnet = [f"198.51.{number}.1" for number in range(30)]
        attacks = await asyncio.gather(*(attack(service, botnet) for service in (strict, another)))
        assert sum(each[FAILED] for each in attacks) == 2 * GLOBAL_LIMIT
        let_pass(environment["AUTH_REDIS_URL"], MINUTE)
        assert sum((await attack(strict, ["198.51.1.1"] * 6)).values()) == 6
        assert (await attack(strict, ["198.51.2.1"] * 6))[FAILED] == 4
        refused = await guess(another, person.email, WRONG, address="198.51.1.1")
        assert code(refused) is THROTTLED
        assert await signs_in(another, person, "192.0.2.1")


async def test_right_passwords_of_an_attacker_give_no_failure_back_to_others(
    strict: Service, person: Person
) -> None:
    attacker = ["198.51.100.1", "198.51.100.2"]
    assert (await attack(strict, attacker * 50))[FAILED] == GLOBAL_LIMIT
    for number in range(5):
        assert await signs_in(strict, person, f"192.0.2.{number}")
        assert (await attack(strict, attacker))[FAILED] == 0
