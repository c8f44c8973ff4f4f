"""The core's parts, put together: what the use cases of the core and of every feature are built from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from secrets import token_bytes, token_urlsafe

from app.crypto.access_tokens import TOKEN_ID_LENGTH
from app.crypto.blocklist import CommonPasswords
from app.crypto.device_tokens import DeviceTokens
from app.crypto.keys import KeyMaker
from app.crypto.refresh_tokens import SEED_LENGTH, RefreshTokens
from app.crypto.secrets import ServiceSecrets
from app.crypto.strength import guesses_log10
from app.domain.clock import Clock
from app.services.access_tokens import Authenticate, TokenMinter
from app.services.decoys import Decoys
from app.services.end_sessions import EndSessions
from app.services.guesses import Guesses
from app.services.key_changes import KeyChanges
from app.services.keys import LONGEST_VIEW, KeyRing
from app.services.open_session import OpenSession
from app.services.owner.caller import WhoAmI
from app.services.password_rules import PasswordRules
from app.services.revocations import Revocations
from app.services.slots import Slots
from app.services.throttling import RefreshThrottle, Throttle
from app.settings import Settings
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.events import EventStore
from app.storage.postgres.keys import KeyStore
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.session_openings import SessionOpenings
from app.storage.postgres.sessions import SessionStore
from app.wiring.resources import Resources, blaming

utc_now: Clock = partial(datetime.now, UTC)
"""The clock of a running service."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The core's tables, one store a noun."""

    accounts: AccountStore
    sessions: SessionStore
    openings: SessionOpenings
    keys: KeyStore
    revocations: RevocationStore
    events: EventStore


@dataclass(frozen=True, slots=True)
class Crypto:
    """What the service's secrets seal and sign."""

    secrets: ServiceSecrets
    keys: KeyMaker
    refresh_tokens: RefreshTokens
    devices: DeviceTokens


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that use cases share, one attribute each."""

    clock: Clock
    resources: Resources
    stores: Stores
    crypto: Crypto
    key_changes: KeyChanges
    keys: KeyRing
    minter: TokenMinter
    revocations: Revocations
    authenticate: Authenticate
    who_am_i: WhoAmI
    open_session: OpenSession
    end_sessions: EndSessions
    decoys: Decoys
    guesses: Guesses
    refresh_throttle: RefreshThrottle
    password_rules: PasswordRules


def build_core(settings: Settings, resources: Resources, clock: Clock) -> Core:
    """Put the parts together; nothing is sent and nothing is read."""
    database, token_policy = resources.database, settings.token_policy()
    revocation_ttl = token_policy.revocation_ttl
    stores = Stores(
        AccountStore(database, revocation_ttl),
        SessionStore(database, settings.session_policy(), revocation_ttl),
        SessionOpenings(database, settings.session_policy(), revocation_ttl),
        KeyStore(database),
        RevocationStore(database),
        EventStore(database),
    )
    crypto = _crypto(settings)
    key_changes = KeyChanges(stores.keys, crypto.keys, settings.key_policy(longest_view=LONGEST_VIEW))
    keys = KeyRing(key_changes, crypto.keys, clock)
    minter = TokenMinter(keys, token_policy, clock, partial(token_urlsafe, TOKEN_ID_LENGTH))
    revocations = Revocations(stores.revocations, resources.index, revocation_ttl)
    end_sessions = EndSessions(stores.sessions, stores.accounts, revocations)
    authenticate = Authenticate(keys, revocations, token_policy, clock)
    throttling = settings.throttling_policy()
    return Core(
        clock=clock,
        resources=resources,
        stores=stores,
        crypto=crypto,
        key_changes=key_changes,
        keys=keys,
        minter=minter,
        revocations=revocations,
        authenticate=authenticate,
        who_am_i=WhoAmI(stores.accounts, authenticate),
        open_session=OpenSession(
            stores.openings,
            end_sessions,
            crypto.refresh_tokens,
            crypto.devices,
            minter,
            partial(token_bytes, SEED_LENGTH),
        ),
        end_sessions=end_sessions,
        decoys=Decoys(stores.accounts, crypto.secrets.fraction),
        guesses=Guesses(
            resources.hasher,
            Slots(settings.password_hash_threads + settings.password_hash_queue),
            Throttle(resources.counters, crypto.devices, crypto.secrets.label, throttling),
            stores.events,
        ),
        refresh_throttle=RefreshThrottle(resources.counters, throttling.refresh),
        password_rules=PasswordRules(
            settings.password_policy(), CommonPasswords(), guesses_log10, resources.is_breached
        ),
    )


def _crypto(settings: Settings) -> Crypto:
    with blaming("AUTH_SECRET_KEYS"):
        secrets = ServiceSecrets(settings.secret_keys)
    return Crypto(secrets, KeyMaker(secrets), RefreshTokens(secrets), DeviceTokens(secrets))
