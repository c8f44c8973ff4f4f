"""A service with small limits in this process, and guesses at its passwords."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import Client
from app.domain.throttling import TooManyRequests
from app.services.sessions import TokenPair
from app.settings import Settings
from app.storage.postgres.sessions import Visitor
from app.wiring import Service, opened
from tests.throttling import age, forget

WRONG = "not the password at all"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_LIMITS = {
    "login_limit_account": "3/PT1M,5/PT1H",
    "login_limit_address": "6/PT1M",
    "login_limit_global": "10/PT1M",
    "refresh_limit": "2/PT1M",
}
_CHEAP = {"password_hash_memory_kib": 8, "password_hash_time_cost": 1, "password_hash_queue": 1000}


@asynccontextmanager
async def limited(environment: Mapping[str, str]) -> AsyncIterator[Service]:
    """The parts of a service with these limits, cheap hashing with room for all, and nothing counted yet."""
    forget(environment["AUTH_REDIS_URL"])
    named = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
    settings = Settings.model_validate(named | _LIMITS).model_copy(update=_CHEAP)
    async with opened(settings) as service:
        await service.keys.load()
        yield service


async def guess(
    service: Service,
    email: str,
    password: str = WRONG,
    *,
    address: str | None = "192.0.2.1",
    device: str | None = None,
) -> Refused | TokenPair:
    """What comes of one guess."""
    try:
        return await service.use_cases.login(email, password, Client.BROWSER, Visitor(address, None), device)
    except Refused as refused:
        return refused


def let_pass(service: Service, redis_url: str, duration: timedelta) -> None:
    """Move what was counted into the past, and the clock of this process on."""
    age(redis_url, duration.total_seconds() + 1)
    counters = service.use_cases.login._throttle._counters
    before = counters._clock
    counters._clock = lambda: before() + duration


def code(outcome: Refused | TokenPair) -> Refusal | None:
    return outcome.refusal if isinstance(outcome, Refused) else None


async def exhaust(service: Service, email: str, times: int = 3, *, device: str | None = None) -> None:
    """Guess wrong so often, each time from another address."""
    for number in range(times):
        outcome = await guess(service, email, address=f"198.51.100.{number}", device=device)
        assert code(outcome) is Refusal.INVALID_CREDENTIALS


def used_up(outcome: Refused | TokenPair) -> tuple[str, timedelta]:
    """Which budget, and which limit of it, let nothing through."""
    assert isinstance(outcome, TooManyRequests)
    assert 1 <= outcome.opens_in <= outcome.limit.window.total_seconds()
    assert outcome.retry_after == outcome.opens_in
    return outcome.budget.name, outcome.limit.window
