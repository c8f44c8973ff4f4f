"""The rules for new passwords in every use case that sets one: length and guesses first, then breaches."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import structlog

from app.crypto.strength import guesses_log10
from app.domain.passwords import PasswordPolicy, Weakness
from app.domain.refusals import Refused
from app.domain.visitors import Visitor
from app.services.password_rules import PasswordRules, WeakPassword
from app.wiring import Service
from tests.support.breaches import RangeServer, digest, listing, range_server, said
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in

pytestmark = pytest.mark.requirement("P5")

NEW = "another battery horse staple"
STOLEN = "zo\u00eb battery horse staple"
BREACHED = "Use another password, here and wherever you use this one: it has been stolen before."
VISITOR = Visitor(None, None)
WEAK = {
    "short of it": (Weakness.TOO_SHORT, "Make the password longer by 4: it needs at least 15 characters."),
    "PerAsperaAdAstra": (
        Weakness.COMMON,
        "Use several unrelated words instead of a password that many people have.",
    ),
    "Sunshine1234567": (
        Weakness.GUESSABLE,
        "Add unrelated words: a guesser who combines common words and dates finds this soon.",
    ),
    "1234567890123456": (
        Weakness.PREDICTABLE,
        "Use several unrelated words instead of letters or digits in their usual order.",
    ),
    "localhost 2024-2025": (
        Weakness.PERSONAL,
        "Use words that have nothing to do with the e-mail address or with this service.",
    ),
}


@pytest.fixture
async def server() -> AsyncIterator[RangeServer]:
    async with range_server() as server:
        server.answer = listing(STOLEN)
        yield server


@pytest.fixture
async def asking(
    migrated: object, environment: dict[str, str], server: RangeServer
) -> AsyncIterator[Service]:
    """The parts of a service that looks new passwords up in a list of breached ones."""
    async with inside(environment | {"AUTH_BREACHED_PASSWORDS_URL": server.url}) as service:
        yield service


@pytest.fixture
async def someone(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def refusal_of(service: Service, email: str, password: str, *, create: bool) -> str:
    accounts = service.accounts
    with pytest.raises(Refused) as error:
        await (accounts.create(email, password, []) if create else accounts.set_password(email, password))
    return error.value.sentence


async def stored_hash(sql: Sql, person: Person) -> str:
    found = await sql.fetchval("SELECT password_hash FROM accounts WHERE id = $1", person.id)
    return str(found)


@pytest.mark.parametrize("new", WEAK)
async def test_a_weak_password_is_refused_with_advice_and_not_looked_up(
    asking: Service, server: RangeServer, someone: Person, sql: Sql, new: str
) -> None:
    pair, (weak, advice) = await sign_in(asking, someone), WEAK[new]
    for current in (PASSWORD, "a wrong password"):
        with pytest.raises(WeakPassword) as caught:
            await asking.use_cases.change_password(pair.access_token.text, current, new, VISITOR)
        assert (caught.value.objection.weakness, caught.value.objection.advice) == (weak, advice)
    assert await refusal_of(asking, someone.email, new, create=False) == advice
    assert await refusal_of(asking, f"{uuid4().hex}@example.com", new, create=True) == advice
    assert await stored_hash(sql, someone) == CHEAP_HASH
    assert server.heads == []


async def test_an_account_s_own_address_is_refused_as_its_password_only(
    asking: Service, someone: Person
) -> None:
    other = f"another-account-{uuid4().hex}@example.org"
    for spelling in (someone.email, someone.email.upper(), f"{someone.email}123"):
        assert (
            await refusal_of(asking, someone.email, spelling, create=False) == WEAK["localhost 2024-2025"][1]
        )
    assert (
        await refusal_of(asking, other, f" {other.title()} !", create=True) == WEAK["localhost 2024-2025"][1]
    )
    assert await asking.accounts.set_password(someone.email, other) == 0


async def test_a_breached_password_is_refused_before_anything_is_hashed(
    asking: Service, server: RangeServer, someone: Person, sql: Sql
) -> None:
    pair, spelled = await sign_in(asking, someone), STOLEN.replace("\u00eb", "e\u0308")
    with pytest.raises(Refused):
        await asking.use_cases.change_password(pair.access_token.text, "a wrong password", spelled, VISITOR)
    assert server.paths == [], "a wrong current password causes no look-up"
    with pytest.raises(WeakPassword) as caught:
        await asking.use_cases.change_password(pair.access_token.text, PASSWORD, spelled, VISITOR)
    assert (caught.value.objection.weakness, caught.value.objection.advice) == (Weakness.BREACHED, BREACHED)
    assert await refusal_of(asking, someone.email, STOLEN, create=False) == BREACHED
    assert await stored_hash(sql, someone) == CHEAP_HASH
    # Both encodings of the password have the same digest.
    assert server.paths == [f"/range/{digest(STOLEN)[:5]}"] * 2
    await asking.use_cases.change_password(pair.access_token.text, PASSWORD, NEW, VISITOR)
    assert server.paths[2:] == [f"/range/{digest(NEW)[:5]}"]
    assert await stored_hash(sql, someone) != CHEAP_HASH


async def test_a_failed_look_up_accepts_the_password_and_is_logged(
    asking: Service, server: RangeServer, someone: Person
) -> None:
    server.answer = said("", status="503 Service Unavailable")
    with structlog.testing.capture_logs() as logs:
        assert await asking.accounts.set_password(someone.email, STOLEN) == 0
    (line,) = [line for line in logs if line["event"] == "password.breach_check_failed"]
    assert line["reason"] == "status 503"
    assert [text for text in (STOLEN, digest(STOLEN)[:5], someone.email) if text in str(logs)] == []


async def test_without_a_server_no_password_is_looked_up() -> None:
    rules = PasswordRules(PasswordPolicy(8, host="localhost"), frozenset({"sunshine"}), guesses_log10, None)
    rules.require_strong(STOLEN, "ada@example.com")
    await rules.require_unbreached(STOLEN)
    with pytest.raises(WeakPassword) as weak:
        rules.require_strong("Sunshine", "ada@example.com")
    assert weak.value.objection.weakness is Weakness.COMMON
