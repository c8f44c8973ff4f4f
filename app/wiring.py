"""Puts the parts together: the one place that knows them all, opens what they share and closes it again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_bytes, token_urlsafe

import structlog

from app.crypto.keys import KeyMaker
from app.crypto.passwords import HashingPolicy, PasswordHasher
from app.crypto.secrets import ServiceSecrets
from app.crypto.sessions import SEED_LENGTH, RefreshTokens
from app.crypto.tokens import TOKEN_ID_LENGTH
from app.domain.keys import Algorithm, KeyKind, KeyPolicy
from app.domain.passwords import PasswordPolicy
from app.domain.refusals import Refused
from app.domain.sessions import SessionPolicy
from app.domain.tokens import TokenPolicy
from app.http.keys import MAX_AGE
from app.http.origins import Origins
from app.http.use_cases import UseCases
from app.services.accounts import Accounts, WhoAmI
from app.services.health import Readiness
from app.services.key_changes import KeyChanges, Keys
from app.services.keys import LONGEST_VIEW, KeyRing
from app.services.revocations import Revocations
from app.services.sessions import Login, Logout, Refresh
from app.services.tokens import Authenticate, TokenMinter
from app.settings import Settings, SettingsError
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.database import Database, open_engine
from app.storage.postgres.keys import KeyStore
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.sessions import SessionStore
from app.storage.redis.blacklist import Blacklist

MAINTAIN_EVERY = 5.0
RETRY_EVERY = 1.0

_log = structlog.get_logger()


def utc_now() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the entries use."""

    use_cases: UseCases
    accounts: Accounts
    operated_keys: Keys
    keys: KeyRing
    revocations: Revocations
    database: Database


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Service]:
    """The service's parts, connected to nothing yet and closed at the end."""
    clock = utc_now
    session_policy = SessionPolicy(
        absolute=settings.session_ttl,
        idle=settings.session_idle_ttl,
        grace=settings.refresh_grace,
        reuse_revokes=settings.reuse_revokes,
    )
    token_policy = TokenPolicy(
        settings.issuer, settings.audience, lifetime=settings.access_token_ttl, leeway=settings.leeway
    )
    key_policy = KeyPolicy(
        kind=KeyKind(
            settings.signing_algorithm,
            settings.signing_rsa_bits if settings.signing_algorithm is Algorithm.RS256 else None,
        ),
        interval=settings.key_rotation_interval,
        # A replica may sign with an old view; what it signs lives on, and verifiers look at a cached key set.
        verifying=LONGEST_VIEW + settings.access_token_ttl + settings.leeway + timedelta(seconds=MAX_AGE),
    )
    with blaming("AUTH_SECRET_KEYS"):
        secrets = ServiceSecrets(settings.secret_keys)
    with blaming("AUTH_DATABASE_URL"):
        engine = open_engine(settings.database_url, pool_size=settings.database_pool_size)
    with blaming("AUTH_REDIS_URL"):
        index = Blacklist(settings.redis_url)
    with blaming("AUTH_PASSWORD_HASH_MEMORY_KIB"):
        hashing = HashingPolicy(
            memory_kib=settings.password_hash_memory_kib,
            time_cost=settings.password_hash_time_cost,
            threads=settings.password_hash_threads,
            queue=settings.password_hash_queue,
        )
    hasher = PasswordHasher(hashing)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(index.close)
        stack.callback(hasher.close)

        database = Database(engine)
        accounts, sessions = AccountStore(database), SessionStore(database)
        key_store, key_maker = KeyStore(database), KeyMaker(secrets)
        key_changes = KeyChanges(key_store, key_maker, key_policy)
        keys = KeyRing(key_changes, key_maker, clock)
        tokens = RefreshTokens(secrets)
        minter = TokenMinter(keys, token_policy, clock, lambda: token_urlsafe(TOKEN_ID_LENGTH))
        revocations = Revocations(RevocationStore(database), index, token_policy)
        authenticate = Authenticate(keys, revocations, token_policy, clock)
        use_cases = UseCases(
            login=Login(
                accounts, sessions, hasher, tokens, minter, session_policy, lambda: token_bytes(SEED_LENGTH)
            ),
            refresh=Refresh(accounts, sessions, tokens, minter, revocations, session_policy),
            logout=Logout(sessions, tokens, authenticate, revocations),
            who_am_i=WhoAmI(accounts, authenticate),
            keys=keys,
            readiness=Readiness(database, keys, index),
            origins=Origins(settings.issuer, settings.allowed_origins),
        )
        yield Service(
            use_cases,
            Accounts(accounts, hasher, revocations, PasswordPolicy(settings.password_min_length)),
            Keys(key_store, key_maker, key_changes, revocations, key_policy),
            keys,
            revocations,
            database,
        )


@contextmanager
def blaming(variable: str) -> Iterator[None]:
    """Turn what a part thinks of its setting into a SettingsError."""
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None


@asynccontextmanager
async def maintained(service: Service) -> AsyncIterator[None]:
    """Keep the view of the keys fresh and Redis in step, from now until the end.

    What is down now is tried again in a moment; until then the service is not ready.
    """
    jobs = (service.keys.load, service.revocations.reindex)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_repeat(job, done=await _done(job))) for job in jobs]
        yield
        for task in tasks:
            task.cancel()


async def _repeat(job: Callable[[], Awaitable[None]], *, done: bool) -> None:
    while True:
        await asyncio.sleep(MAINTAIN_EVERY if done else RETRY_EVERY)
        done = await _done(job)


async def _done(job: Callable[[], Awaitable[None]]) -> bool:
    try:
        await job()
    except Refused as refused:
        _log.warning("job.postponed", job=job.__qualname__, reason=refused.refusal.value)
        return False
    except Exception:  # noqa: BLE001 - a job must outlive whatever befalls it
        _log.exception("job.failed", job=job.__qualname__)
        return False
    return True
