"""This process's view of the signing keys, whose age is measured with a clock that the test sets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from secrets import token_bytes

import pytest

from app.crypto.access_tokens import parse_jws
from app.crypto.keys import KeyMaker
from app.crypto.secrets import ServiceSecrets
from app.domain.keys import Algorithm, KeyKind, KeyPolicy, KeyState
from app.domain.refusals import Refusal, Refused
from app.services.key_changes import KeyChanges
from app.services.keys import LONGEST_VIEW, RELOAD_INTERVAL, KeyRing
from app.storage.postgres.database import open_database
from app.storage.postgres.keys import KeyStore
from tests.support.database import Sql, connect
from tests.support.servers import migrate

START = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = token_bytes(32)
POLICY = KeyPolicy(KeyKind(Algorithm.EDDSA), timedelta(days=30), timedelta(minutes=35))
CLAIMS = {"sub": "an-account"}


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
    database = open_database(empty_database, pool_size=8)
    yield KeyStore(database)
    await database.close()


@pytest.fixture
async def own_sql(store: KeyStore, empty_database: str) -> AsyncIterator[Sql]:
    connection = await connect(empty_database)
    yield connection
    await connection.close()


def ring(store: KeyStore, clock: Clock, *secrets: bytes) -> KeyRing:
    maker = KeyMaker(ServiceSecrets(secrets or [SECRET]))
    return KeyRing(KeyChanges(store, maker, POLICY), maker, clock)


async def kid_of(store: KeyStore, state: KeyState) -> str:
    (found,) = [key.kid for key in (await store.all())[0] if key.state is state]
    return found


async def sign(keys: KeyRing, store: KeyStore) -> str:
    return (await keys.signer(await kid_of(store, KeyState.SIGNING))).sign(CLAIMS)


async def claims_of(keys: KeyRing, token: str) -> dict[str, object] | None:
    jws = parse_jws(token)
    assert jws is not None
    return (await keys.verifier(jws.kid)).payload(jws)


async def rotate(sql: Sql) -> None:
    """Rotate as another replica does when the standby is due to sign."""
    now = await sql.fetchval("SELECT now()")
    await sql.execute(
        "UPDATE signing_keys SET superseded_at = $1 WHERE activated_at IS NOT NULL AND superseded_at IS NULL",
        now,
    )
    await sql.execute("UPDATE signing_keys SET activated_at = $1 WHERE activated_at IS NULL", now)


def refuses(ask: Callable[[], object]) -> bool:
    with pytest.raises(Refused) as refused:
        ask()
    return refused.value.refusal is Refusal.UNAVAILABLE


async def refuses_to_sign_and_verify(keys: KeyRing, kid: str = "any") -> bool:
    for ask in (keys.signer(kid), keys.verifier(kid)):
        with pytest.raises(Refused) as refused:
            await ask
        assert refused.value.refusal is Refusal.UNAVAILABLE
    return refuses(keys.require_signer)


async def test_a_view_signs_for_fifteen_minutes_and_is_published_without_limit(
    store: KeyStore, clock: Clock
) -> None:
    keys = ring(store, clock)
    assert await refuses_to_sign_and_verify(keys)
    assert refuses(keys.key_set)
    await keys.load()
    published, kid = keys.key_set(), await kid_of(store, KeyState.SIGNING)
    signer, token = await keys.signer(kid), await sign(keys, store)

    assert timedelta(minutes=15) == LONGEST_VIEW
    clock.now = START + LONGEST_VIEW
    keys.require_signer()
    assert await keys.signer(kid) is signer
    assert await claims_of(keys, token) == CLAIMS
    clock.now += timedelta(microseconds=1)
    assert await refuses_to_sign_and_verify(keys, kid)
    clock.now += timedelta(days=365)
    assert keys.key_set() is published

    await keys.load()
    assert await keys.signer(kid) is signer
    assert await claims_of(keys, token) == CLAIMS
    assert keys.key_set() == published


@pytest.mark.requirement("K3")
async def test_eight_concurrent_starts_end_with_one_signing_key_and_one_standby(
    store: KeyStore, clock: Clock
) -> None:
    rings = [ring(store, clock) for _ in range(8)]
    await asyncio.gather(*(keys.load() for keys in rings))
    stored, _ = await store.all()
    assert sorted(key.state for key in stored) == [KeyState.SIGNING, KeyState.STANDBY]
    assert len({keys.key_set() for keys in rings}) == 1
    signing = await kid_of(store, KeyState.SIGNING)
    assert {(await keys.signer(signing)).kid for keys in rings} == {signing}


async def test_a_load_finds_the_new_signing_key_in_the_database(
    store: KeyStore, clock: Clock, own_sql: Sql
) -> None:
    keys = ring(store, clock)
    await keys.load()
    token, standby = await sign(keys, store), await kid_of(store, KeyState.STANDBY)
    await rotate(own_sql)

    await keys.load()
    assert (await keys.signer(standby)).kid == standby
    # There is a new standby, and tokens of the predecessor are still accepted.
    states = sorted(key.state for key in (await store.all())[0])
    assert states == [KeyState.SIGNING, KeyState.STANDBY, KeyState.VERIFYING]
    assert await claims_of(keys, token) == CLAIMS


async def test_a_key_that_already_signs_elsewhere_signs_the_next_token_here(
    store: KeyStore, clock: Clock, own_sql: Sql
) -> None:
    keys = ring(store, clock)
    await keys.load()
    standby = await kid_of(store, KeyState.STANDBY)
    await rotate(own_sql)

    signers = await asyncio.gather(*(keys.signer(standby) for _ in range(5)))

    assert {signer.kid for signer in signers} == {standby}
    assert len(set(map(id, signers))) == 1


async def test_a_token_of_an_unknown_key_reloads_the_keys_at_a_limited_rate(
    store: KeyStore, clock: Clock, own_sql: Sql
) -> None:
    keys, elsewhere = ring(store, clock), ring(store, clock)
    await keys.load()
    # After two rotations the signing key is one that this process has never loaded.
    for _ in range(2):
        await rotate(own_sql)
        await elsewhere.load()
    first = await sign(elsewhere, store)
    assert await claims_of(keys, first) == CLAIMS

    for _ in range(2):
        await rotate(own_sql)
        await elsewhere.load()
    second = await sign(elsewhere, store)
    clock.now += RELOAD_INTERVAL - timedelta(microseconds=1)
    assert await claims_of(keys, second) is None
    assert await claims_of(keys, first) == CLAIMS
    clock.now += timedelta(microseconds=1)
    assert await claims_of(keys, second) == CLAIMS


async def test_a_key_that_no_secret_opens_signs_nothing_and_is_not_replaced(
    store: KeyStore, clock: Clock
) -> None:
    owner = ring(store, clock)
    await owner.load()
    token, (made, _) = await sign(owner, store), await store.all()
    stranger = ring(store, clock, token_bytes(32))
    await stranger.load()
    kid = await kid_of(store, KeyState.SIGNING)
    assert refuses(stranger.require_signer)
    with pytest.raises(Refused) as refused:
        await stranger.signer(kid)
    assert refused.value.refusal is Refusal.UNAVAILABLE
    # It still verifies and publishes, and makes no keys.
    assert await claims_of(stranger, token) == CLAIMS
    assert stranger.key_set() == owner.key_set()
    assert (await store.all())[0] == made
    both = ring(store, clock, token_bytes(32), SECRET)
    await both.load()
    assert (await both.signer(kid)).kid == kid
