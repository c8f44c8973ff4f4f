"""Puts the parts together: the one place that knows them all, opens what they share and closes it again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_bytes, token_urlsafe
from typing import TypeAlias
from urllib.parse import urlsplit

import structlog

from app.crypto.access_tokens import TOKEN_ID_LENGTH
from app.crypto.blocklist import CommonPasswords
from app.crypto.device_tokens import DeviceTokens
from app.crypto.keys import KeyMaker
from app.crypto.passwords import HashingPolicy, PasswordHasher
from app.crypto.refresh_tokens import SEED_LENGTH, RefreshTokens
from app.crypto.secrets import ServiceSecrets
from app.domain.access_tokens import TokenPolicy
from app.domain.keys import MAX_AGE, Algorithm, KeyKind, KeyPolicy
from app.domain.passwords import PasswordPolicy
from app.domain.refusals import Refused
from app.domain.sessions import SessionPolicy
from app.domain.throttling import ThrottlingPolicy
from app.http.origins import Origins
from app.http.use_cases import UseCases
from app.services.access_tokens import Authenticate, TokenMinter
from app.services.health import Readiness
from app.services.key_changes import KeyChanges
from app.services.keys import LONGEST_VIEW, KeyRing
from app.services.open_session import OpenSession
from app.services.operator.accounts import Accounts
from app.services.operator.events import Events
from app.services.operator.keys import Keys
from app.services.operator.sessions import Sessions
from app.services.owner.caller import WhoAmI
from app.services.owner.login import Login
from app.services.owner.logout import FindSession, Logout, LogoutEverywhere
from app.services.owner.password import ChangePassword
from app.services.owner.refresh import Refresh
from app.services.owner.sessions import OwnSessions
from app.services.password_rules import IsBreached, NewPasswords
from app.services.purge import Purge
from app.services.revocations import Revocations
from app.services.throttling import RefreshThrottle, Throttle
from app.settings import Settings, SettingsError
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.database import Database, open_engine
from app.storage.postgres.events import EventStore
from app.storage.postgres.keys import KeyStore
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.sessions import SessionStore
from app.storage.redis.revocations import RevocationIndex
from app.storage.redis.throttling import FailureCounters

# What one replica could not tell the others is to be known to them within five seconds.
MAINTAIN_EVERY = 3.0
PURGE_EVERY = 600.0
RETRY_EVERY = 1.0

Job: TypeAlias = Callable[[], Awaitable[object]]
"""What is done again and again; False asks for another try soon."""

_log = structlog.get_logger()


def utc_now() -> datetime:
    """The clock of a running service."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that the entries use."""

    use_cases: UseCases
    accounts: Accounts
    operated_sessions: Sessions
    operated_keys: Keys
    events: Events
    purge: Purge
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
        settings.issuer,
        settings.audience,
        # No access token outlives its session's idle end either.
        lifetime=min(settings.access_token_ttl, settings.session_idle_ttl),
        leeway=settings.leeway,
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
    throttling_policy = ThrottlingPolicy(
        account=settings.login_limit_account,
        address=settings.login_limit_address,
        everyone=settings.login_limit_global,
        refresh=settings.refresh_limit,
    )
    with blaming("AUTH_SECRET_KEYS"):
        secrets = ServiceSecrets(settings.secret_keys)
    with blaming("AUTH_DATABASE_URL"):
        engine = open_engine(settings.database_url, pool_size=settings.database_pool_size)
    with blaming("AUTH_REDIS_URL"):
        index, counters = RevocationIndex(settings.redis_url), FailureCounters(settings.redis_url, clock)
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
        stack.push_async_callback(counters.close)
        stack.callback(hasher.close)

        database = Database(engine)
        accounts, sessions, events = AccountStore(database), SessionStore(database), EventStore(database)
        key_store, key_maker = KeyStore(database), KeyMaker(secrets)
        key_changes = KeyChanges(key_store, key_maker, key_policy)
        keys = KeyRing(key_changes, key_maker, clock)
        tokens = RefreshTokens(secrets)
        minter = TokenMinter(keys, token_policy, clock, lambda: token_urlsafe(TOKEN_ID_LENGTH))
        revocation_store = RevocationStore(database)
        revocations = Revocations(revocation_store, index, token_policy)
        authenticate = Authenticate(keys, revocations, token_policy, clock)
        who_am_i = WhoAmI(accounts, authenticate)
        devices = DeviceTokens(secrets)
        open_session = OpenSession(
            sessions,
            tokens,
            devices,
            minter,
            session_policy,
            lambda: token_bytes(SEED_LENGTH),
            events,
        )
        throttle = Throttle(counters, devices, secrets.label, throttling_policy)
        refresh_throttle = RefreshThrottle(counters, throttling_policy.refresh)
        find_session = FindSession(sessions, tokens)
        password_policy = PasswordPolicy(
            settings.password_min_length, host=urlsplit(settings.issuer).hostname or ""
        )
        is_breached = _breaches(settings.breached_passwords_url, stack)
        new_passwords = NewPasswords(password_policy, CommonPasswords(), is_breached)
        use_cases = UseCases(
            login=Login(accounts, hasher, throttle, open_session, events),
            refresh=Refresh(
                accounts, sessions, tokens, minter, revocations, refresh_throttle, session_policy
            ),
            logout=Logout(sessions, find_session, authenticate, revocations),
            logout_everywhere=LogoutEverywhere(accounts, find_session, who_am_i, revocations, session_policy),
            change_password=ChangePassword(
                accounts, hasher, who_am_i, throttle, open_session, revocations, new_passwords, events
            ),
            own_sessions=OwnSessions(sessions, who_am_i, revocations, session_policy),
            who_am_i=who_am_i,
            keys=keys,
            readiness=Readiness(database, keys, index),
            origins=Origins(settings.issuer, settings.allowed_origins),
        )
        operated = Accounts(accounts, hasher, throttle, revocations, new_passwords)
        yield Service(
            use_cases,
            operated,
            Sessions(sessions, operated, accounts, revocations, session_policy),
            Keys(key_store, key_maker, key_changes, revocations, key_policy),
            Events(events, operated),
            Purge(sessions, revocation_store, events, settings.event_retention),
            keys,
            revocations,
            database,
        )


def _breaches(url: str | None, stack: AsyncExitStack) -> IsBreached | None:
    if url is None:
        return None
    from app.storage.breaches import BreachedPasswords  # noqa: PLC0415 - httpx is slow to load, and rarely needed

    breaches = BreachedPasswords(url)
    stack.push_async_callback(breaches.close)
    return breaches.holds


@contextmanager
def blaming(variable: str) -> Iterator[None]:
    """Turn what a part thinks of its setting into a SettingsError."""
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"{variable}: {error}") from None


@asynccontextmanager
async def maintained(service: Service) -> AsyncIterator[None]:
    """Keep the view of the keys fresh, Redis in step and the tables small, from now until the end.

    What is down now is tried again in a moment; until then the service is not ready.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_repeat(job, MAINTAIN_EVERY, done=await _done(job)))
            for job in (service.keys.load, service.revocations.reindex)
        ]
        tasks.append(group.create_task(_repeat(service.purge.__call__, PURGE_EVERY, done=False)))
        yield
        for task in tasks:
            task.cancel()


async def _repeat(job: Job, every: float, *, done: bool) -> None:
    while True:
        await asyncio.sleep(every if done else RETRY_EVERY)
        done = await _done(job)


async def _done(job: Job) -> bool:
    try:
        return await job() is not False
    except Refused as refused:
        _log.warning("job.postponed", job=job.__qualname__, reason=refused.refusal.value)
        return False
    except Exception:  # noqa: BLE001 - a job must outlive whatever befalls it
        _log.exception("job.failed", job=job.__qualname__)
        return False
