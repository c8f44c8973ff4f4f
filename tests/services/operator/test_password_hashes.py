"""Hashes that no verifier understands: they are counted, and a login at one says so."""

from collections.abc import AsyncIterator

import pytest

import app.storage.postgres.accounts
from app.crypto.hash_formats import UNMARKED
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in
from tests.support.servers import migrate

VISITOR = Visitor("192.0.2.1", "tests")
APACHE = "$apr1$seasalt$xpmPH1zYpKyzvO1mK5sTD0"
WERKZEUG = "scrypt:32768:8:1$saltsaltsalt$09535314d0cd467aae7d9acea5b206b3"
"""Half of one."""


@pytest.fixture
async def own(empty_database: str, environment: dict[str, str]) -> AsyncIterator[tuple[Service, Sql]]:
    """The parts of a service with a database of its own, and a connection to it."""
    apart = environment | {"AUTH_DATABASE_URL": empty_database}
    migrate(apart)
    sql = await connect(empty_database)
    async with inside(apart) as parts:
        yield parts, sql
    await sql.close()


async def test_hashes_of_unknown_forms_are_counted_by_form(own: tuple[Service, Sql]) -> None:
    parts, sql = own
    assert await parts.password_hashes.count() == (0, True, {})
    for stored in (CHEAP_HASH, APACHE, CHEAP_HASH, APACHE, WERKZEUG, "a password in plain text"):
        await new_person(sql, password_hash=stored)
    assert await parts.password_hashes.count() == (6, True, {"$apr1$": 2, "scrypt:": 1, UNMARKED: 1})


async def test_of_many_accounts_the_first_ones_are_looked_at_page_by_page(
    own: tuple[Service, Sql], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, sql = own
    statement = app.storage.postgres.accounts._HASHES  # noqa: SLF001 - a page is as large as a batch
    monkeypatch.setattr(app.storage.postgres.accounts, "_HASHES", statement.replace("LIMIT 1000", "LIMIT 3"))
    for _ in range(10):
        await new_person(sql, password_hash=APACHE)
    assert await parts.password_hashes.count() == (10, True, {"$apr1$": 10})
    assert await parts.password_hashes.count(at_most=6) == (6, False, {"$apr1$": 6})


async def test_a_guess_at_a_hash_of_an_unknown_form_is_an_event_that_says_so(
    own: tuple[Service, Sql],
) -> None:
    parts, sql = own
    person = await new_person(sql, password_hash=CHEAP_HASH)
    pair = await sign_in(parts, person)
    await sql.execute("UPDATE accounts SET password_hash = $1", APACHE)
    with pytest.raises(Refused) as refused:
        await sign_in(parts, person)
    assert refused.value.refusal is Refusal.INVALID_CREDENTIALS
    with pytest.raises(Refused):
        await parts.use_cases.change_password(
            pair.access_token.text, PASSWORD, "another horse and its battery", VISITOR, ClientKind.NATIVE
        )
    events = await sql.fetch("SELECT kind, reason, details::text FROM events WHERE kind LIKE '%failed'")
    assert {(row["kind"], row["reason"], row["details"]) for row in events} == {
        ("login.failed", "unknown_hash", "{}"),
        ("password.change_failed", "unknown_hash", "{}"),
    }
