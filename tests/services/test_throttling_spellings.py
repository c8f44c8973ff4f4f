"""An account whose address is stored as an older release wrote it is counted and known like any other."""

import pytest

from app.domain.refusals import Refusal, Refused
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import MINUTE, WRONG, Sql, exhaust, guess, used_up
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH

pytestmark = pytest.mark.requirement("P3")

VISITOR = Visitor("192.0.2.1", None)


@pytest.fixture
async def person(sql: Sql) -> Person:
    """Stored with the letters of the domain as they were typed."""
    person = await new_person(sql, password_hash=CHEAP_HASH)
    stored = person.email.replace("@example.com", "@b\u00fccher.example")
    await sql.execute("UPDATE accounts SET email = $2 WHERE id = $1", person.id, stored)
    return Person(person.id, stored)


@pytest.mark.parametrize("typed", ["b\u00fccher.example", "B\u00dcCHER.example", "xn--bcher-kva.example"])
async def test_a_device_is_known_after_a_sign_in(strict: Service, person: Person, typed: str) -> None:
    email = f"{person.email.partition('@')[0]}@{typed}"
    first = await guess(strict, email, PASSWORD, device="")
    assert isinstance(first, TokenPair)
    await exhaust(strict, person.email)
    assert used_up(await guess(strict, email, PASSWORD)) == ("account", MINUTE)
    again = await guess(strict, email, PASSWORD, device=first.device)
    assert isinstance(again, TokenPair)
    assert again.device == first.device, "no second token for the same account"


async def test_an_operator_unlocks_it(strict: Service, person: Person) -> None:
    await exhaust(strict, person.email)
    assert used_up(await guess(strict, person.email, PASSWORD)) == ("account", MINUTE)
    await strict.accounts.unlock(person.email)
    assert isinstance(await guess(strict, person.email, PASSWORD), TokenPair)


async def test_guesses_in_a_change_of_the_password_count_for_it(strict: Service, person: Person) -> None:
    pair = await guess(strict, person.email, PASSWORD)
    assert isinstance(pair, TokenPair)
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await strict.use_cases.change_password(
                pair.access_token.text, WRONG, "another battery horse staple", VISITOR
            )
        assert refused.value.refusal is Refusal.INVALID_CREDENTIALS
    assert used_up(await guess(strict, person.email, PASSWORD, address="192.0.2.9")) == ("account", MINUTE)
