"""The resources that the service opens and closes: connections to Postgres and Redis, and hashing threads."""

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from app.crypto.passwords import HashingPolicy, PasswordHasher
from app.domain.clock import Clock
from app.services.password_rules import IsBreached
from app.settings import DatabaseSettings, RedisSettings, Settings, SettingsError, read_again
from app.storage.postgres.database import Database, open_database
from app.storage.redis.revocations import RevocationIndex
from app.storage.redis.throttling import FailureCounters


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that has to be closed.

    ``is_breached`` is None when the settings name no server to ask.
    """

    database: Database
    index: RevocationIndex
    counters: FailureCounters
    hasher: PasswordHasher
    is_breached: IsBreached | None
    _closing: AsyncExitStack

    async def close(self) -> None:
        """Close everything, in the reverse order of opening; one failure does not keep the rest open."""
        await self._closing.aclose()


def open_resources(settings: Settings, clock: Clock) -> Resources:
    """Make the resources; none of them connects before its first use."""
    closing = AsyncExitStack()
    with blaming("AUTH_DATABASE_URL"):
        database = open_database(
            settings.database_url,
            pool_size=settings.database_pool_size,
            through_pooler=settings.through_pooler,
            read_again=partial(read_again, DatabaseSettings, "database_url"),
        )
    closing.push_async_callback(database.close)
    with blaming("AUTH_REDIS_URL"):
        reread = partial(read_again, RedisSettings, "redis_url")
        index = RevocationIndex(settings.redis_url, settings.issuer, reread)
        counters = FailureCounters(settings.redis_url, settings.issuer, clock, reread)
    closing.push_async_callback(index.close)
    closing.push_async_callback(counters.close)
    hasher = PasswordHasher(_hashing_policy(settings))
    closing.callback(hasher.close)
    is_breached = _open_breaches(settings.breached_passwords_url, closing)
    return Resources(database, index, counters, hasher, is_breached, closing)


def _hashing_policy(settings: Settings) -> HashingPolicy:
    with blaming("AUTH_PASSWORD_HASH_MEMORY_KIB"):
        return HashingPolicy(
            memory_kib=settings.password_hash_memory_kib,
            time_cost=settings.password_hash_time_cost,
            threads=settings.password_hash_threads,
        )


def _open_breaches(url: str | None, closing: AsyncExitStack) -> IsBreached | None:
    if url is None:
        return None
    from app.storage.breaches import BreachedPasswords  # noqa: PLC0415 - httpx2 is slow to load and rarely needed

    breaches = BreachedPasswords(url)
    closing.push_async_callback(breaches.close)
    return breaches.holds


@contextmanager
def blaming(variable: str) -> Iterator[None]:
    """Turn a ValueError of the part that reads a setting into a SettingsError that names the setting."""
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None
