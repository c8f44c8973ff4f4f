"""The revocation index on a real Valkey: in every state of the server it is right, or cannot tell."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest
import redis

from app.dev.processes import claimed
from app.dev.servers import valkey
from app.domain.refusals import Refusal, Refused
from app.storage.redis.client import prefix
from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.revocations import holding
from tests.support.servers import ISSUER, Faulty, server_folder
from tests.support.valkeys import unasked
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L2")

MARKER = f"{prefix(ISSUER)}marker"
LASTS = timedelta(minutes=16)
REVOKED, FREE = str(uuid4()), str(uuid4())
ENTRIES = {REVOKED: LASTS}


@pytest.fixture
def server() -> Iterator[Faulty]:
    with server_folder() as folder, claimed(folder):
        server = Faulty(lambda: valkey(folder, durable=False))
        yield server
        server.close()


@pytest.fixture
def operator(server: Faulty) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(server.url, decode_responses=True) as operator:
        yield operator


@pytest.fixture
async def index(server: Faulty) -> AsyncIterator[RevocationIndex]:
    """In step with a Postgres that has one entry."""
    index = RevocationIndex(server.url, ISSUER)
    await in_step(index)
    yield index
    await index.close()


async def in_step(index: RevocationIndex) -> None:
    """Rebuild until the index is in step; a busy machine may need another try."""

    async def is_in_step() -> bool:
        return await index.rebuild(holding(live)) is IndexState.TRUSTED and await is_right(index)

    await until(is_in_step)


async def live() -> Mapping[str, timedelta]:
    """What Postgres holds."""
    return ENTRIES


async def is_right(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED, FREE]), await index.find([REVOKED]), await index.find([FREE])]
    return answers == [True, True, False]


async def cannot_tell(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED]), await index.find([FREE])]
    return answers == [None, None] and not index.is_trusted


async def test_the_index_is_not_trusted_before_every_entry_is_in_it(
    server: Faulty, index: RevocationIndex
) -> None:
    # A replica that has just started, on a server that another replica has filled.
    newcomer = RevocationIndex(server.url, ISSUER)
    assert await cannot_tell(newcomer)
    assert await newcomer.add({str(uuid4()): LASTS})
    assert await cannot_tell(newcomer)
    await in_step(newcomer)
    assert await is_right(index)
    await newcomer.close()


async def test_entries_live_for_the_time_given_with_them(
    index: RevocationIndex, operator: "redis.Redis"
) -> None:
    # More than one batch of them.
    entries = {f"many-{number}": LASTS for number in range(1201)} | {"over": timedelta(), "late": -LASTS}
    assert await index.add(entries)
    names = list(operator.scan_iter(match="*:blacklist:*", count=5000))
    assert len([name for name in names if ":many-" in name]) == 1201
    # One hash tag, so that a cluster answers for them together; and every entry expires.
    for name in names:
        assert name.startswith("{watchword}:")
        left = operator.pttl(name)
        assert left == -2 or 0 < left <= LASTS.total_seconds() * 1000, name
        assert left > 0.9 * LASTS.total_seconds() * 1000 or ":many-" not in name
    assert await index.find(["many-0", "many-1200"]) is True
    assert await index.find(["many-1201", "many"]) is False
    assert await is_right(index)


async def test_a_flushed_server_is_not_trusted_until_it_is_filled_again(
    index: RevocationIndex, operator: "redis.Redis"
) -> None:
    operator.flushall()
    assert await cannot_tell(index)
    # A new revocation does not make up for the lost ones.
    assert await index.add({str(uuid4()): LASTS})
    assert await cannot_tell(index)
    await in_step(index)


async def test_another_deployment_on_the_same_server_makes_nothing_trusted(
    server: Faulty, index: RevocationIndex, operator: "redis.Redis"
) -> None:
    another = RevocationIndex(server.url, "https://another.example.com")

    async def nothing() -> Mapping[str, timedelta]:
        return {}

    async def is_in_step() -> bool:
        return await another.rebuild(holding(nothing)) is IndexState.TRUSTED

    operator.flushall()
    await until(is_in_step)
    # The other one has filled the server with its own entries, which are not ours.
    assert await cannot_tell(index)
    await in_step(index)
    assert await another.find([REVOKED]) is False
    await another.close()


async def test_a_restarted_server_is_not_trusted_until_it_is_filled_again(
    server: Faulty, index: RevocationIndex
) -> None:
    server.kill()
    assert await cannot_tell(index)
    assert not await index.add(ENTRIES)
    assert await index.rebuild(holding(live)) is not IndexState.TRUSTED
    server.start()
    assert await cannot_tell(index)
    await in_step(index)


async def test_the_marker_of_another_server_proves_nothing(
    index: RevocationIndex, operator: "redis.Redis"
) -> None:
    """A promoted replica has it, and may lack the last writes of its primary."""
    assert operator.get(MARKER) == operator.info("server")["run_id"]
    operator.set(MARKER, "0" * 40)
    assert await cannot_tell(index)
    await in_step(index)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_may_evict_is_never_trusted(
    index: RevocationIndex, operator: "redis.Redis", policy: str
) -> None:
    operator.config_set("maxmemory-policy", policy)
    assert await index.rebuild(holding(live)) is not IndexState.TRUSTED
    assert await cannot_tell(index)
    operator.config_set("maxmemory-policy", "noeviction")
    await in_step(index)


async def test_a_flush_while_entries_are_read_from_postgres_leaves_no_marker(
    index: RevocationIndex, operator: "redis.Redis"
) -> None:
    async def flushed() -> Mapping[str, timedelta]:
        operator.flushall()
        return ENTRIES

    assert await index.rebuild(holding(flushed)) is not IndexState.TRUSTED
    assert operator.get(MARKER) is None
    assert await cannot_tell(index)
    await in_step(index)


async def test_postgres_that_fails_during_a_rebuild_changes_no_answer(index: RevocationIndex) -> None:
    async def away() -> Mapping[str, timedelta]:
        raise ConnectionAbortedError

    assert await index.rebuild(holding(away)) is not IndexState.TRUSTED
    assert await index.find([REVOKED]) in (True, None)
    assert await index.find([FREE]) in (False, None)


async def test_many_checks_at_once_are_all_answered(index: RevocationIndex) -> None:
    async def all_are() -> bool:
        await in_step(index)
        return set(await asyncio.gather(*(index.find([REVOKED]) for _ in range(150)))) == {True}

    await until(all_are)
    assert await is_right(index)


async def test_a_frozen_server_costs_one_timeout_and_is_filled_again_when_it_thaws(
    server: Faulty, index: RevocationIndex
) -> None:
    server.pause()
    # Late answers must not be taken for the answers to later checks.
    assert set(await asyncio.gather(*(index.find([REVOKED]) for _ in range(100)))) == {None}
    with unasked(index):
        assert [await index.find([FREE]) for _ in range(100)] == [None] * 100
    assert not await index.add({REVOKED: LASTS})
    assert await index.rebuild(holding(live)) is not IndexState.TRUSTED
    server.resume()
    assert await cannot_tell(index)
    assert await index.rebuild(holding(live)) is IndexState.TRUSTED
    for _ in range(20):
        assert await is_right(index)


async def test_a_cancelled_check_leaves_no_answer_behind(server: Faulty, index: RevocationIndex) -> None:
    server.pause()
    asked = [asyncio.create_task(index.find([REVOKED])) for _ in range(5)]
    await asyncio.sleep(0)
    for task in asked:
        task.cancel()
    gone = await asyncio.gather(*asked, return_exceptions=True)
    # Python 3.11's wait_for loses a cancellation now and then; the check then ends by its timeout.
    assert all(answer is None or isinstance(answer, asyncio.CancelledError) for answer in gone)
    server.resume()
    assert await index.rebuild(holding(live)) is IndexState.TRUSTED
    answers = await asyncio.gather(*(index.find([FREE]) for _ in range(20)))
    assert answers == [False] * 20
    assert await is_right(index)


async def test_a_restart_from_disk_during_a_rebuild_is_noticed_though_the_nonce_is_back(
    index: RevocationIndex, server: Faulty, operator: "redis.Redis"
) -> None:
    async def restarting() -> dict[str, timedelta]:
        operator.save()
        server.kill()
        server.start()
        assert list(operator.scan_iter("*nonce*")), "the nonce came back from disk"
        # The next command opens a new connection, and is not told that the old one ended.
        await index.close()
        return {"something": timedelta(minutes=1)}

    assert await index.rebuild(holding(restarting)) is not IndexState.TRUSTED
    assert await index.find(["something"]) is None


async def test_the_index_is_not_trusted_when_postgres_cannot_be_read(index: RevocationIndex) -> None:
    async def unreadable() -> dict[str, timedelta]:
        raise Refused(Refusal.UNAVAILABLE)

    with pytest.raises(Refused):
        await index.rebuild(holding(unreadable))
    assert await index.find(["anything"]) is None
