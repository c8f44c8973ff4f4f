"""One account in an attacker's hands: its failures use up nothing that everyone shares."""

import pytest

from app.dev import Servers
from app.domain.refusals import Refusal, Refused
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import WRONG, Sql, code, counted, guess
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH

pytestmark = pytest.mark.requirement("P3")

GLOBAL_LIMIT = 10
OFFICE = "203.0.113.7"


@pytest.fixture
async def person(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


@pytest.fixture
async def attacker(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def signed_in(service: Service, person: Person, device: str | None = None) -> TokenPair:
    pair = await guess(service, person.email, PASSWORD, address=OFFICE, device=device)
    assert isinstance(pair, TokenPair)
    return pair


async def attack(service: Service, attacker: Person) -> None:
    """Fail on a known device and in a session, three times as often as all strangers may together."""
    pair = await guess(service, attacker.email, PASSWORD, device="")
    for number in range(3 * GLOBAL_LIMIT):
        assert isinstance(pair, TokenPair)
        visitor = Visitor(f"2001:db8:1:{number:02x}00::1", None)
        if number % 2:
            outcome = await guess(service, attacker.email, address=visitor.address, device=pair.device)
            assert code(outcome) is Refusal.INVALID_CREDENTIALS
        else:
            with pytest.raises(Refused):
                await service.use_cases.change_password(
                    pair.access_token.text, WRONG, "another battery horse staple", visitor
                )
        # His own budgets are never used up, because a right password clears them.
        pair = await guess(service, attacker.email, PASSWORD, address=visitor.address, device=pair.device)


async def test_he_keeps_no_known_device_and_no_quiet_network_out(
    strict: Service, person: Person, attacker: Person, migrated: Servers
) -> None:
    device = (await signed_in(strict, person, "")).device
    # The victim's network is one that fails, as that of an office is.
    assert code(await guess(strict, "nobody@example.com", address=OFFICE)) is Refusal.INVALID_CREDENTIALS
    await attack(strict, attacker)
    await signed_in(strict, person, device)
    await signed_in(strict, person)
    shared = {name: held for name, held in counted(migrated.redis_url).items() if "everyone" in name}
    assert shared == {"everyone/": 1, "everyone/all": 1}
