"""Throttled guesses are recorded once for each budget and window, however many there are."""

import json
from typing import Any
from uuid import UUID

import pytest

from app.domain.refusals import Refused
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import WRONG, Sql, exhaust, guess, used_up
from tests.support.people import PASSWORD, Person, new_person
from tests.support.races import CHEAP_HASH


@pytest.fixture
async def person(sql: Sql) -> Person:
    return await new_person(sql, password_hash=CHEAP_HASH)


async def events_of(sql: Sql, kind: str, account_id: UUID | None, address: str) -> list[dict[str, Any]]:
    """The details and reasons of events of this kind, account and address."""
    rows = await sql.fetch(
        """SELECT details, reason FROM events
           WHERE kind = $1 AND account_id IS NOT DISTINCT FROM $2 AND address = $3""",
        kind,
        account_id,
        address,
    )
    return [json.loads(row["details"]) | {"reason": row["reason"]} for row in rows]


@pytest.mark.parametrize("exists", [True, False])
async def test_a_throttled_login_is_recorded_once(
    strict: Service, person: Person, sql: Sql, exists: bool
) -> None:
    email = person.email if exists else f"no-{person.email}"
    address = "2001:db8::1" if exists else "2001:db8::2"
    await exhaust(strict, email)
    for _ in range(5):
        used_up(await guess(strict, email, PASSWORD, address=address))
    events = await events_of(sql, "login.throttled", person.id if exists else None, address)
    assert events == [{"budget": "account", "reason": None}]


async def test_a_throttled_login_without_a_valid_address_names_no_account(strict: Service, sql: Sql) -> None:
    await exhaust(strict, "no address at all")
    for _ in range(2):
        used_up(await guess(strict, "no address at all", address="2001:db8::3"))
    assert await events_of(sql, "login.throttled", None, "2001:db8::3") == [
        {"budget": "account", "reason": None}
    ]


async def test_throttled_guesses_at_the_current_password_are_recorded_once(
    strict: Service, person: Person, sql: Sql
) -> None:
    pair = await guess(strict, person.email, PASSWORD)
    assert isinstance(pair, TokenPair)
    visitor, change = Visitor("2001:db8::4", None), strict.use_cases.change_password
    outcomes = []
    for _ in range(6):
        with pytest.raises(Refused) as refused:
            await change(pair.access_token.text, WRONG, "another battery horse staple", visitor)
        outcomes.append(isinstance(refused.value, TooManyRequests))
    assert outcomes == [False] * 3 + [True] * 3
    events = await events_of(sql, "password.change_failed", person.id, "2001:db8::4")
    assert [event["reason"] for event in events] == ["wrong_password"] * 3 + ["throttled"]
