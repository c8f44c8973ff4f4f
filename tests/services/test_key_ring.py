"""The process's view of the signing keys, with the clock in the test's hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from secrets import token_bytes

import pytest

from app.crypto.keys import KeyMaker
from app.crypto.secrets import ServiceSecrets
from app.domain.keys import Algorithm, KeyState
from app.domain.refusals import Refusal, Refused
from app.services.keys import LONGEST_VIEW, KeyRing
from app.storage.postgres.database import Database, open_engine
from app.storage.postgres.keys import KeyStore
from tests.servers import migrate
from tests.sql import connect

START = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = token_bytes(32)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(empty_database: str) -> AsyncIterator[KeyStore]:
    await asyncio.to_thread(migrate, {"AUTH_DATABASE_URL": empty_database})
    engine = open_engine(empty_database, pool_size=8)
    yield KeyStore(Database(engine))
    await engine.dispose()


def ring(store: KeyStore, clock: Clock, *secrets: bytes) -> KeyRing:
    return KeyRing(store, KeyMaker(ServiceSecrets(secrets or [SECRET])), Algorithm.EDDSA, clock)


def refuses(ask: Callable[[], object]) -> bool:
    with pytest.raises(Refused) as refused:
        ask()
    return refused.value.refusal is Refusal.UNAVAILABLE


async def test_a_view_signs_for_fifteen_minutes_and_publishes_for_ever(store: KeyStore, clock: Clock) -> None:
    keys = ring(store, clock)
    assert refuses(keys.signer)
    assert refuses(keys.verifier)
    assert refuses(keys.key_set)
    await keys.load()
    published, signer = keys.key_set(), keys.signer()
    token = signer.sign({"sub": "somebody"})

    assert timedelta(minutes=15) == LONGEST_VIEW
    clock.now = START + LONGEST_VIEW
    assert keys.signer() is signer
    assert keys.verifier().payload(token) == {"sub": "somebody"}
    clock.now += timedelta(microseconds=1)
    assert refuses(keys.signer)
    assert refuses(keys.verifier)
    clock.now += timedelta(days=365)
    assert keys.key_set() is published

    await keys.load()
    assert keys.signer() is signer
    assert keys.verifier().payload(token) == {"sub": "somebody"}
    assert keys.key_set() == published


async def test_eight_that_start_at_once_end_with_one_signing_key_and_one_standby(
    store: KeyStore, clock: Clock
) -> None:
    rings = [ring(store, clock) for _ in range(8)]
    await asyncio.gather(*(keys.load() for keys in rings))
    assert sorted(key.state for key in await store.all()) == [KeyState.SIGNING, KeyState.STANDBY]
    assert len({keys.key_set() for keys in rings}) == 1
    assert len({keys.signer().kid for keys in rings}) == 1


async def test_a_successor_is_taken_over_from_the_database(
    store: KeyStore, clock: Clock, empty_database: str
) -> None:
    keys = ring(store, clock)
    await keys.load()
    first, token = keys.signer().kid, keys.signer().sign({"sub": "somebody"})
    (standby,) = [key.kid for key in await store.all() if key.state is KeyState.STANDBY]
    sql = await connect(empty_database)
    await sql.execute("UPDATE signing_keys SET superseded_at = now() WHERE kid = $1", first)
    await sql.execute("UPDATE signing_keys SET activated_at = now() WHERE kid = $1", standby)
    await sql.close()

    await keys.load()
    assert keys.signer().kid == standby
    # There is a standby again, and what the predecessor signed is still believed.
    states = sorted(key.state for key in await store.all())
    assert states == [KeyState.SIGNING, KeyState.STANDBY, KeyState.VERIFYING]
    assert keys.verifier().payload(token) == {"sub": "somebody"}


async def test_a_key_that_no_secret_opens_signs_nothing_and_stays(store: KeyStore, clock: Clock) -> None:
    owner = ring(store, clock)
    await owner.load()
    token, made = owner.signer().sign({"sub": "somebody"}), await store.all()
    stranger = ring(store, clock, token_bytes(32))
    await stranger.load()
    assert refuses(stranger.signer)
    # It checks and publishes all the same, and makes nothing of its own.
    assert stranger.verifier().payload(token) == {"sub": "somebody"}
    assert stranger.key_set() == owner.key_set()
    assert await store.all() == made
    heir = ring(store, clock, token_bytes(32), SECRET)
    await heir.load()
    assert heir.signer().kid == owner.signer().kid
