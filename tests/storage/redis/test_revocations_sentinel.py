"""The revocation index on a primary that Sentinels replace: a lost entry is never called free."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest

from app.storage.redis.client import prefix
from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.revocations import holding
from tests.support.servers import ISSUER
from tests.support.valkeys import SERVICE, Watched, blacklists, eventually, unasked, watched
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L2")

Open = Callable[[str], RevocationIndex]
MARKER = f"{prefix(ISSUER)}marker"
LASTS = timedelta(minutes=16)
REVOKED, FREE, LOST = (str(uuid4()) for _ in range(3))
ENTRIES = {REVOKED: LASTS}


@pytest.fixture
def servers() -> Iterator[Watched]:
    with watched() as servers:
        yield servers


@pytest.fixture
async def open_index(servers: Watched) -> AsyncIterator[Open]:
    async with blacklists(lambda: servers.nodes) as open_index:
        yield open_index


@pytest.fixture
async def index(servers: Watched, open_index: Open) -> RevocationIndex:
    return await in_step(open_index(servers.url))


async def in_step(index: RevocationIndex) -> RevocationIndex:
    """With a Postgres that has one entry, once the servers let it."""

    async def believed() -> bool:
        return await index.rebuild(holding(live)) is IndexState.TRUSTED

    await until(believed)
    assert await is_right(index)
    return index


async def live() -> Mapping[str, timedelta]:
    """What Postgres holds before the failover."""
    return ENTRIES


async def live_now() -> Mapping[str, timedelta]:
    """What Postgres holds after it."""
    return ENTRIES | {LOST: LASTS}


async def is_right(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED, FREE]), await index.find([REVOKED]), await index.find([FREE])]
    return answers == [True, True, False]


async def cannot_tell(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED]), await index.find([FREE])]
    return answers == [None, None] and not index.is_trusted


async def lose(servers: Watched, index: RevocationIndex) -> None:
    """Enter a revocation that reaches the primary and not the replica."""
    eventually(lambda: servers.replica.operator.get(MARKER))
    servers.primary.forgets(servers.replica)
    assert await index.add({LOST: LASTS})
    assert await index.find([LOST]) is True


async def test_a_watched_primary_is_used_like_a_server(
    servers: Watched, open_index: Open, index: RevocationIndex
) -> None:
    other = open_index(servers.url)
    assert await cannot_tell(other)
    assert await other.add({LOST: LASTS})
    assert await index.find([FREE, LOST]) is True
    await in_step(other)
    servers.primary.operator.flushall()
    assert await cannot_tell(index)
    assert await cannot_tell(other)
    await in_step(index)
    # A database of its own.
    apart = await in_step(open_index(f"redis+sentinel://{servers.hosts}/{SERVICE}/3"))
    assert await apart.add({FREE: LASTS})
    assert await is_right(index)
    assert servers.primary.operator.info("keyspace").keys() == {"db0", "db3"}


async def test_a_sentinel_that_is_down_is_passed_over(servers: Watched, open_index: Open) -> None:
    servers.sentinels[0].kill()
    index = await in_step(open_index(servers.url))
    servers.sentinels[1].kill()
    # The client has to ask where the primary is.
    servers.primary.operator.client_kill_filter(_type="normal")
    await in_step(index)


async def test_without_a_sentinel_or_the_service_the_index_is_not_trusted(
    servers: Watched, open_index: Open, index: RevocationIndex
) -> None:
    stranger = open_index(servers.url.replace(SERVICE, "another"))
    assert await stranger.rebuild(holding(live)) is IndexState.UNREACHABLE
    assert not await stranger.add(ENTRIES)
    assert await cannot_tell(stranger)
    for sentinel in servers.sentinels:
        sentinel.kill()
    # The client still has its connection to the primary.
    assert await is_right(index)
    newcomer = open_index(servers.url)
    assert await newcomer.rebuild(holding(live)) is IndexState.UNREACHABLE
    assert not await newcomer.add(ENTRIES)
    with unasked(newcomer):
        assert await cannot_tell(newcomer)
    servers.sentinels[2].start()
    await in_step(newcomer)


async def test_a_replica_is_never_trusted_though_it_holds_the_marker(
    servers: Watched, open_index: Open, index: RevocationIndex
) -> None:
    direct = open_index(servers.replica.url)
    eventually(lambda: servers.replica.operator.get(MARKER))
    assert await direct.rebuild(holding(live)) is IndexState.UNREACHABLE
    assert await cannot_tell(direct)
    # The same holds if it was trusted as a primary.
    direct._trusted = True  # noqa: SLF001 - a promotion in between cannot be arranged
    assert await direct.find([FREE]) is None
    assert await is_right(index)


async def test_an_entry_that_a_killed_primary_lost_is_not_called_free(
    servers: Watched, open_index: Open, index: RevocationIndex
) -> None:
    idle = await in_step(open_index(servers.url))
    await lose(servers, index)
    servers.primary.kill()
    servers.replica.resume()
    assert await index.find([LOST]) is None
    assert not await index.add({LOST: LASTS})
    servers.await_failover()
    promoted = servers.primary.operator
    assert promoted.get(MARKER)
    assert not [name for name in promoted.scan_iter() if LOST in name], "the failover lost nothing"
    # An idle client reaches the new primary without noticing that it is new.
    await idle.close()
    assert await idle.find([LOST]) is None
    assert await cannot_tell(idle)
    assert await cannot_tell(index)
    assert await idle.add({str(uuid4()): LASTS})
    assert await idle.find([LOST]) is None
    assert await idle.rebuild(holding(live_now)) is IndexState.TRUSTED
    assert await idle.find([LOST]) is True
    assert await is_right(idle)
    # Another client rebuilt the index, and this one has only to look.
    assert await cannot_tell(index)
    await in_step(index)
    assert await index.find([LOST]) is True


async def test_a_frozen_primary_costs_one_timeout_and_is_not_trusted_when_it_thaws(
    servers: Watched, open_index: Open, index: RevocationIndex
) -> None:
    direct = await in_step(open_index(servers.primary.url))
    await lose(servers, index)
    servers.primary.pause()
    servers.replica.resume()
    assert await index.find([LOST]) is None
    with unasked(index):
        assert [await index.find([FREE]) for _ in range(100)] == [None] * 100
    assert not await index.add({str(uuid4()): LASTS})
    servers.await_failover()
    assert await cannot_tell(index)
    assert await index.rebuild(holding(live_now)) is IndexState.TRUSTED
    assert await index.find([LOST]) is True
    old = servers.replica
    old.resume()
    eventually(lambda: old.follows(servers.primary))
    assert await cannot_tell(direct)
    assert await direct.rebuild(holding(live_now)) is IndexState.UNREACHABLE
    assert await index.find([LOST]) is True
    assert await is_right(index)


async def test_a_primary_that_comes_back_as_a_replica_is_not_trusted_for_its_own_marker(
    servers: Watched, open_index: Open, index: RevocationIndex
) -> None:
    """The new primary was promoted with that marker and replicates it, until a client rebuilds the index."""
    direct = await in_step(open_index(servers.primary.url))
    await lose(servers, index)
    servers.primary.pause()
    servers.replica.resume()
    servers.await_failover()
    old = servers.replica
    old.resume()
    eventually(lambda: old.follows(servers.primary))
    assert old.operator.get(MARKER) == old.operator.info("server")["run_id"]
    assert not [name for name in old.operator.scan_iter() if LOST in name]
    # The next check opens a new connection, and is not told that the old one ended.
    await direct.close()
    assert await direct.find([LOST]) is None
    assert await cannot_tell(direct)


async def test_sentinels_and_servers_may_ask_for_passwords_of_their_own() -> None:
    secret, other = "p@ss:/word?", "of%20the#sentinels"
    with watched(secret, other) as servers:
        async with blacklists(lambda: servers.nodes) as open_index:
            hosts = f"{servers.hosts}/{SERVICE}/0"
            login = f"redis+sentinel://:{quote(secret, safe='')}@{hosts}"
            index = await in_step(open_index(f"{login}?sentinel_password={quote(other, safe='')}"))
            assert await index.add({LOST: LASTS})
            for url in (
                login,
                f"{login}?sentinel_password=wrong",
                f"redis+sentinel://:wrong@{hosts}?sentinel_password={quote(other, safe='')}",
            ):
                stranger = open_index(url)
                assert await stranger.rebuild(holding(live)) is IndexState.UNREACHABLE
                assert not await stranger.add(ENTRIES)
                assert await cannot_tell(stranger)
