"""Refreshes that fail too often are refused before any query; a refresh that succeeds is never limited."""

import pytest

from app.dev import Servers
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.wiring import Service
from tests.support.database import MINUTE, Sql, code, counted, let_pass, used_up
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, sign_in

HERE, THERE = "192.0.2.1", "203.0.113.1"


@pytest.fixture
async def pair(strict: Service, sql: Sql) -> TokenPair:
    return await sign_in(strict, await new_person(sql, password_hash=CHEAP_HASH))


async def refresh(service: Service, token: str, address: str | None = HERE) -> Refused | TokenPair:
    try:
        return await service.use_cases.refresh(token, ClientKind.NATIVE, Visitor(address, None))
    except Refused as refused:
        return refused


async def test_forged_tokens_are_limited_by_network_and_affect_no_other_refresh(
    strict: Service, pair: TokenPair
) -> None:
    for _ in range(3):
        assert code(await refresh(strict, "forged")) is Refusal.REFRESH_TOKEN_INVALID
    assert used_up(await refresh(strict, "forged")) == ("refresh", MINUTE)
    assert code(await refresh(strict, "forged", THERE)) is Refusal.REFRESH_TOKEN_INVALID
    assert code(await refresh(strict, "forged", None)) is Refusal.REFRESH_TOKEN_INVALID
    for _ in range(5):
        renewed = await refresh(strict, pair.refresh_token)
        assert isinstance(renewed, TokenPair)
        pair = renewed


async def test_forged_tokens_from_a_56_have_four_times_the_limit_of_an_address(
    strict: Service, pair: TokenPair
) -> None:
    for number in range(9):
        outcome = await refresh(strict, "forged", f"2001:db8:0:{number:x}::1")
        assert code(outcome) is Refusal.REFRESH_TOKEN_INVALID
    assert used_up(await refresh(strict, "forged", "2001:db8:0:ff::1")) == ("refresh", MINUTE)
    assert code(await refresh(strict, "forged", "2001:db8:0:100::1")) is Refusal.REFRESH_TOKEN_INVALID
    assert isinstance(await refresh(strict, pair.refresh_token, "2001:db8:0:ff::1"), TokenPair)


async def test_refreshes_of_an_ended_session_are_refused_without_a_query_after_some_failures(
    strict: Service, pair: TokenPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await strict.use_cases.logout(pair.refresh_token, None, Visitor(HERE, None))
    for address in (HERE, THERE, None):
        assert code(await refresh(strict, pair.refresh_token, address)) is Refusal.SESSION_REVOKED

    async def unexpected(*_: object) -> None:
        raise AssertionError("the session was read")

    for statement in ("rotate", "read"):
        monkeypatch.setattr(strict.use_cases.refresh.sessions, statement, unexpected)
    assert used_up(await refresh(strict, pair.refresh_token)) == ("refresh", MINUTE)


async def test_the_limit_opens_again_when_the_window_has_passed(strict: Service, migrated: Servers) -> None:
    for _ in range(3):
        await refresh(strict, "forged")
    assert used_up(await refresh(strict, "forged"))
    let_pass(migrated.redis_url, MINUTE)
    for _ in range(3):
        assert code(await refresh(strict, "forged")) is Refusal.REFRESH_TOKEN_INVALID
    assert used_up(await refresh(strict, "forged")) == ("refresh", MINUTE)


async def test_an_outage_does_not_count_as_a_failure(
    strict: Service, pair: TokenPair, migrated: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise Refused(Refusal.UNAVAILABLE)

    with monkeypatch.context() as patched:
        patched.setattr(strict.use_cases.refresh.sessions, "rotate", unavailable)
        for _ in range(5):
            assert code(await refresh(strict, pair.refresh_token)) is Refusal.UNAVAILABLE
    assert counted(migrated.redis_url) == {}
    assert isinstance(await refresh(strict, pair.refresh_token), TokenPair)
