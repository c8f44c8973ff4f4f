"""What a request costs in round trips: statements, transactions and scripts of Redis."""

import pytest

from app.domain.accounts import canonical_email
from app.domain.refusals import Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.wiring import Service
from tests.support.people import PASSWORD, Person
from tests.support.races import sign_in
from tests.support.round_trips import sent

VISITOR = Visitor("192.0.2.1", "tests")


@pytest.mark.parametrize("device", ["none", "unknown", "known"])
async def test_a_login_is_two_statements_and_two_scripts(parts: Service, person: Person, device: str) -> None:
    known = parts.core.crypto.devices.remember(None, canonical_email(person.email), 1)
    presented = {"none": None, "unknown": "", "known": known}[device]
    login = parts.use_cases.login
    await sign_in(parts, person)
    with sent() as found:
        await login(person.email, PASSWORD, ClientKind.BROWSER, VISITOR, presented)
    assert found.counts == (2, 0, 2)


async def test_a_refused_login_is_two_statements_and_one_script(parts: Service, person: Person) -> None:
    await sign_in(parts, person)
    with sent() as found, pytest.raises(Refused):
        await parts.use_cases.login(person.email, "wrong", ClientKind.NATIVE, VISITOR)
    # The second statement writes the event.
    assert found.counts == (2, 0, 1)


async def test_a_refresh_is_one_statement(parts: Service, person: Person) -> None:
    pair = await sign_in(parts, person)
    with sent() as found:
        await parts.use_cases.refresh(pair.refresh_token, ClientKind.NATIVE, VISITOR)
    assert found.counts == (1, 0, 0)


async def test_the_caller_is_found_by_one_statement(parts: Service, person: Person) -> None:
    pair = await sign_in(parts, person)
    with sent() as found:
        await parts.use_cases.who_am_i(pair.access_token.text)
    assert found.counts == (1, 0, 0)


@pytest.mark.parametrize("way", ["refresh token", "access token"])
async def test_a_logout_is_one_statement_and_one_script(parts: Service, person: Person, way: str) -> None:
    pair = await sign_in(parts, person)
    refresh_token = pair.refresh_token if way == "refresh token" else None
    with sent() as found:
        await parts.use_cases.logout(
            refresh_token, None if refresh_token else pair.access_token.text, VISITOR
        )
    assert found.counts == (1, 0, 1)
