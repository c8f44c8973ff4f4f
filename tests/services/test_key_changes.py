"""Changes to the signing keys in a real database: automatic, by an operator, and concurrent."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_bytes, token_urlsafe
from uuid import uuid4

import pytest
import structlog

from app.crypto.keys import KeyMaker
from app.crypto.secrets import ServiceSecrets
from app.dev import Servers
from app.domain.keys import KeyKind, KeyState, SealedKey, SigningKey, in_state
from app.domain.refusals import Refused
from app.services.keys import KeyRing
from app.services.operator.keys import Keys
from app.storage.postgres.keys import ADVISORY_LOCK
from tests.support.database import Sql, connect
from tests.support.races import parts, waiting
from tests.support.servers import TEST_SECRET, database, migrate

STANDBY, SIGNING, VERIFYING = KeyState.STANDBY, KeyState.SIGNING, KeyState.VERIFYING
ADVISORY_LOCKS = """SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND d.datname = current_database()"""


@pytest.fixture(scope="module")
def own(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """On a database of this module's own, with an algorithm whose keys are cheap to make."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate({"AUTH_DATABASE_URL": url})
        yield environment | {"AUTH_DATABASE_URL": url, "AUTH_SIGNING_ALGORITHM": "EdDSA"}


@pytest.fixture
async def own_sql(own: dict[str, str]) -> AsyncIterator[Sql]:
    connection = await connect(own["AUTH_DATABASE_URL"])
    await connection.execute("TRUNCATE signing_keys, revocations")
    yield connection
    await connection.close()


@pytest.fixture
async def keys(own: dict[str, str], own_sql: Sql) -> AsyncIterator[Keys]:
    async with parts(own) as service:
        yield service.operator_keys


@pytest.fixture
async def pair(keys: Keys) -> tuple[str, str]:
    """The signing key and the standby that are made in an empty database."""
    await keys.changes.advance()
    return await kid(keys, SIGNING), await kid(keys, STANDBY)


async def stored(keys: Keys) -> list[SigningKey]:
    return [key for key, _ in await keys.all()]


async def kid(keys: Keys, state: KeyState) -> str:
    found = in_state(await stored(keys), state)
    assert found is not None
    return found.kid


def with_maker(keys: Keys, maker: KeyMaker) -> Keys:
    return replace(keys, maker=maker, changes=replace(keys.changes, maker=maker))


async def states(keys: Keys) -> list[KeyState]:
    return sorted(key.state for key in await stored(keys))


async def age(sql: Sql, interval: str) -> None:
    moments = ("created_at", "activated_at", "superseded_at")
    shifted = ", ".join(f"{moment} = {moment} - interval '{interval}'" for moment in moments)
    await sql.execute(f"UPDATE signing_keys SET {shifted}")


async def refusal(operation: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await operation
    return refused.value.sentence


@asynccontextmanager
async def locked(sql: Sql) -> AsyncIterator[None]:
    """Hold the lock under which keys are changed."""
    await sql.execute(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
    yield
    await sql.execute(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")


async def test_keys_are_created_rotated_and_deleted_and_each_step_is_logged(keys: Keys, own_sql: Sql) -> None:
    with structlog.testing.capture_logs() as logs:
        made, _ = await keys.changes.advance()
        first, second = await kid(keys, SIGNING), await kid(keys, STANDBY)
        await age(own_sql, "31 days")
        await keys.changes.advance()
        third = await kid(keys, STANDBY)
        await age(own_sql, "36 minutes")
        left, _ = await keys.changes.advance()

    assert [{key.kid for key in each} for each in (made, left)] == [{first, second}, {second, third}]
    assert await kid(keys, SIGNING) == second
    assert [(line["event"], line["kid"], line.get("state")) for line in logs] == [
        ("key.created", first, "signing"),
        ("key.created", second, "standby"),
        ("key.created", third, "standby"),
        ("key.rotated", second, None),
        ("key.deleted", first, None),
    ]


async def test_while_nothing_is_due_the_lock_is_not_taken(
    keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    async with locked(own_sql):
        unchanged, _ = await keys.changes.advance()
    assert {key.kid for key in unchanged} == set(pair)


async def test_keys_are_generated_outside_the_lock(keys: Keys, own_sql: Sql) -> None:
    loop, locks = asyncio.get_running_loop(), list[int]()

    class WatchedKeyMaker(KeyMaker):
        def make(self, kind: KeyKind) -> SealedKey:
            locks.append(asyncio.run_coroutine_threadsafe(own_sql.fetchval(ADVISORY_LOCKS), loop).result())
            return super().make(kind)

    watched = WatchedKeyMaker(ServiceSecrets([urlsafe_b64decode(TEST_SECRET)]))
    await replace(keys.changes, maker=watched).advance()
    assert locks == [0, 0]
    assert await states(keys) == [SIGNING, STANDBY]


async def test_a_standby_signs_after_its_hour_or_immediately_on_request(
    keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    signing, standby = pair
    (created,) = (key.created_at for key in await stored(keys) if key.kid == standby)
    assert (await refusal(keys.rotate(at_once=False))).startswith(
        f"the standby {standby} may sign from {created + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}, "
    )
    assert await kid(keys, SIGNING) == signing

    await age(own_sql, "1 hour")
    assert await keys.rotate(at_once=False) == standby == await kid(keys, SIGNING)
    young = await kid(keys, STANDBY)
    assert await keys.rotate(at_once=True) == young == await kid(keys, SIGNING)
    assert await states(keys) == [SIGNING, STANDBY, VERIFYING, VERIFYING]

    # When a rotation is due automatically, the operator's command makes that one and no second one.
    for at_once in (False, True):
        await age(own_sql, "31 days")
        successor = await kid(keys, STANDBY)
        assert await keys.rotate(at_once=at_once) == successor == await kid(keys, SIGNING)


async def test_keys_cannot_be_changed_without_the_secret_that_sealed_them(
    keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    """No replica could open a key that is sealed under a foreign secret."""
    await age(own_sql, "31 days")
    before = await stored(keys)
    foreign = KeyMaker(ServiceSecrets([token_bytes(32)]))
    keys = with_maker(keys, foreign)
    sentence = "no secret in AUTH_SECRET_KEYS opens the key "
    assert (await refusal(keys.retire(pair[0]))).startswith(sentence)
    await keys.changes.advance()
    await own_sql.execute("UPDATE signing_keys SET activated_at = now() WHERE activated_at < now()")
    assert (await refusal(keys.rotate(at_once=True))).startswith(sentence)
    assert [key.kid for key in await stored(keys)] == [key.kid for key in before]
    assert await states(keys) == [SIGNING, STANDBY]


async def test_of_two_concurrent_rotations_by_operators_one_is_refused(
    keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    async with locked(own_sql):
        rotating = [asyncio.create_task(keys.rotate(at_once=True)) for _ in range(2)]
        await waiting(own_sql, 2)
    answers = await asyncio.gather(*rotating, return_exceptions=True)
    (refused,) = [answer for answer in answers if answer != pair[1]]
    assert isinstance(refused, Refused)
    assert refused.sentence == "another change came first; look at: keys list"
    assert await kid(keys, SIGNING) == pair[1]
    assert await states(keys) == [SIGNING, STANDBY, VERIFYING]


@pytest.mark.parametrize("redis", ["", "redis://127.0.0.1:1/0"], ids=["with Redis", "without Redis"])
@pytest.mark.parametrize("state", KeyState)
async def test_a_key_can_be_retired_in_any_state_and_a_signing_key_and_a_standby_remain(
    own: dict[str, str], keys: Keys, pair: tuple[str, str], own_sql: Sql, state: KeyState, redis: str
) -> None:
    await keys.rotate(at_once=True)
    before = {each: await kid(keys, each) for each in KeyState}
    leaked = before.pop(state)
    async with parts(own | ({"AUTH_REDIS_URL": redis} if redis else {})) as operator:
        with structlog.testing.capture_logs() as logs:
            await operator.operator_keys.retire(leaked)
        assert ("revocations.not_indexed" in [line["event"] for line in logs]) is bool(redis)
        await operator.revocations.reindex()
        assert await operator.revocations.any_revoked([str(uuid4()), leaked])
        assert not await operator.revocations.any_revoked(list(before.values()))

    after = {key.kid: key.state for key in await stored(keys)}
    assert leaked not in after
    assert set(before.values()) < set(after) or state is VERIFYING
    assert await states(keys) == [SIGNING, STANDBY, *([] if state is VERIFYING else [VERIFYING])]
    assert await kid(keys, SIGNING) == before[STANDBY if state is SIGNING else SIGNING]
    # Until every verifier refuses its tokens as expired.
    (row,) = await own_sql.fetch("SELECT id, expires_at - clock_timestamp() AS lasts FROM revocations")
    assert row["id"] == leaked
    assert timedelta(minutes=35) < row["lasts"] <= timedelta(minutes=35, seconds=30)


async def test_a_retirement_is_decided_on_the_keys_read_under_the_lock(
    keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    signing, standby = pair
    async with locked(own_sql):
        retiring = asyncio.create_task(keys.retire(signing))
        await waiting(own_sql, 1)
        # Another replica's rotation, before it makes the new standby.
        await own_sql.execute("UPDATE signing_keys SET superseded_at = now() WHERE kid = $1", signing)
        await own_sql.execute("UPDATE signing_keys SET activated_at = now() WHERE kid = $1", standby)
        activated = in_state(await stored(keys), SIGNING)
    await retiring
    assert in_state(await stored(keys), SIGNING) == activated
    assert await states(keys) == [SIGNING, STANDBY]
    assert await refusal(keys.retire(signing)) == f"no key is called {signing!r}; look at: keys list"


async def test_keys_are_resealed_once_and_stay_the_same_keys(
    own: dict[str, str], keys: Keys, pair: tuple[str, str]
) -> None:
    new = token_urlsafe(32)
    before = after = await stored(keys)
    for listed, resealed in ((f"{TEST_SECRET},{new}", 0), (f"{new},{TEST_SECRET}", 2), (new, 0)):
        async with parts(own | {"AUTH_SECRET_KEYS": listed}) as operator:
            assert await operator.operator_keys.reseal() == resealed
            after = await stored(keys)
            opened = [operator.operator_keys.maker.open(key).public_key() for key in after if resealed]
            assert opened == [keys.maker.open(key).public_key() for key in before if resealed]
    assert [replace(key, sealed_private_key=b"") for key in after] == [
        replace(key, sealed_private_key=b"") for key in before
    ]
    # The old secret alone no longer opens any of them.
    assert await refusal(keys.reseal()) == (
        f"no secret in AUTH_SECRET_KEYS opens the key {after[0].kid}; list the one that sealed it"
    )
    assert await stored(keys) == after


async def test_concurrent_reseals_count_each_key_once_and_no_deleted_key(
    own: dict[str, str], keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    holder = await connect(own["AUTH_DATABASE_URL"])
    async with parts(own | {"AUTH_SECRET_KEYS": f"{token_urlsafe(32)},{TEST_SECRET}"}) as operator:
        async with holder.transaction():
            await holder.execute("SELECT FROM signing_keys FOR UPDATE")
            resealing = [asyncio.create_task(operator.operator_keys.reseal()) for _ in range(2)]
            await waiting(own_sql, 2)
            await holder.execute("DELETE FROM signing_keys WHERE kid = $1", pair[0])
        assert sum(await asyncio.gather(*resealing)) == 1
        assert await operator.operator_keys.reseal() == 0
    assert [key.kid for key in await stored(keys)] == [pair[1]]
    await holder.close()


async def test_without_a_signing_key_and_the_secret_of_the_standby_nothing_signs(
    keys: Keys, pair: tuple[str, str], own_sql: Sql
) -> None:
    keys = with_maker(keys, KeyMaker(ServiceSecrets([token_bytes(32)])))
    await own_sql.execute("DELETE FROM signing_keys WHERE kid = $1", pair[0])
    assert (await refusal(keys.rotate(at_once=True))).startswith("the keys are incomplete")
    ring = KeyRing(keys.changes, keys.maker, lambda: datetime.now(UTC))
    await ring.load()
    with pytest.raises(Refused):
        ring.require_signer()


async def test_a_verifying_key_need_not_be_resealed(keys: Keys, pair: tuple[str, str], own_sql: Sql) -> None:
    await keys.rotate(at_once=True)
    await own_sql.execute("UPDATE signing_keys SET sealed_private_key = '\\x00' WHERE kid = $1", pair[0])
    assert await keys.reseal() == 0
