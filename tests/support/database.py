"""A second connection to the database, from which tests look and shift columns."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeAlias

import asyncpg
import redis
from sqlalchemy import make_url

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.open_session import TokenPair
from app.settings import Settings
from app.wiring import Service, open_service, utc_now

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(url: str) -> Sql:
    """Connect to the database of an ``AUTH_DATABASE_URL``."""
    return await asyncpg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )


COUNTED = "{watchword}:*:throttling:*"
"""The keys of all deployments."""
_ALL = 10_000  # Keys that one command looks at; with ten, which is the default, a look takes a thousand.


def age(redis_url: str, seconds: float) -> None:
    """Let so much time pass for everything that was counted."""
    with redis.Redis.from_url(redis_url) as operator:
        for key in operator.scan_iter(COUNTED, count=_ALL):
            entries = operator.lrange(key, 0, -1)
            left = operator.ttl(key) - int(seconds)
            operator.delete(key)
            if left > 0:
                operator.rpush(key, *(repr(float(entry) - seconds) for entry in entries))
                operator.expire(key, left)


def forget(redis_url: str) -> None:
    """Nothing was counted yet."""
    with redis.Redis.from_url(redis_url) as operator:
        for key in operator.scan_iter(COUNTED, count=_ALL):
            operator.delete(key)


def counted(redis_url: str) -> dict[str, int]:
    """How many failures each budget holds within its longest window, by the budget's name and key."""
    with redis.Redis.from_url(redis_url) as operator:
        keys = [key.decode() for key in operator.scan_iter(COUNTED, count=_ALL)]
        lengths = {key.partition(":throttling:")[2]: operator.llen(key) for key in keys}
    held: dict[str, int] = {}
    for key, length in lengths.items():
        budget = key.rsplit("/", 3)[0]
        held[budget] = max(held.get(budget, 0), length)
    return held


WRONG = "not the password at all"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
_LIMITS = {
    "login_limit_account": "3/PT1M,5/PT1H",
    "login_limit_address": "6/PT1M",
    "login_limit_global": "10/PT1M",
    "refresh_limit": "2/PT1M",
}
_CHEAP = {"password_hash_memory_kib": 8, "password_hash_time_cost": 1, "password_hash_queue": 1000}


class MovingClock:
    """The clock of every ``limited`` service."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


CLOCK = MovingClock()


@asynccontextmanager
async def limited(environment: Mapping[str, str], **limits: str) -> AsyncIterator[Service]:
    """The parts of a service with small limits, cheap hashing with room for all, and nothing counted yet."""
    forget(environment["AUTH_REDIS_URL"])
    named = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
    settings = Settings.model_validate(named | _LIMITS | limits).model_copy(update=_CHEAP)
    CLOCK.ahead = timedelta()
    async with open_service(settings, CLOCK) as service:
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
        return await service.use_cases.login(
            email, password, ClientKind.BROWSER, Visitor(address, None), device
        )
    except Refused as refused:
        return refused


def let_pass(redis_url: str, duration: timedelta) -> None:
    """Move what was counted into the past, and the clock of this process on."""
    age(redis_url, duration.total_seconds() + 1)
    CLOCK.ahead += duration


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
