"""The revocation index in a Cluster: no node calls a lost entry free, and no move of the slot does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from app.storage.redis.client import prefix
from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.revocations import holding
from tests.support.servers import ISSUER
from tests.support.valkeys import SLOT, Cluster, Node, blacklists, cluster, eventually, unasked
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L2")

Open = Callable[[str], RevocationIndex]
MARKER = f"{prefix(ISSUER)}marker"
LASTS = timedelta(minutes=16)
REVOKED, FREE, LOST = (str(uuid4()) for _ in range(3))
ENTRIES = {REVOKED: LASTS}


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """A Cluster for tests that leave every slot where it was, since it takes seconds to start."""
    with cluster() as servers:
        yield servers


@pytest.fixture
def servers(shared: Cluster) -> Cluster:
    shared.heal()
    shared.owner.operator.flushall()
    return shared


@pytest.fixture
def own() -> Iterator[Cluster]:
    with cluster() as servers:
        yield servers


@pytest.fixture
async def open_index(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    name = "own" if "own" in request.fixturenames else "servers"
    servers: Cluster = request.getfixturevalue(name)
    async with blacklists(lambda: servers.nodes) as open_index:
        yield open_index


async def in_step(index: RevocationIndex) -> RevocationIndex:
    """With a Postgres that has one entry, once the servers let it."""

    async def believed() -> bool:
        return await index.rebuild(holding(live)) is IndexState.TRUSTED and await is_right(index)

    await until(believed)
    return index


async def live() -> Mapping[str, timedelta]:
    """What Postgres holds."""
    return ENTRIES


async def is_right(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED, FREE]), await index.find([REVOKED]), await index.find([FREE])]
    return answers == [True, True, False]


async def is_not_wrong(index: RevocationIndex) -> bool:
    return await index.find([REVOKED]) is not False and await index.find([FREE]) is not True


async def cannot_tell(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED]), await index.find([FREE])]
    return answers == [None, None] and not index.is_trusted


async def test_a_cluster_is_used_like_a_server_and_nodes_without_the_slot_do_not_matter(
    servers: Cluster, open_index: Open
) -> None:
    index, other = await in_step(open_index(servers.url)), open_index(servers.url)
    assert await cannot_tell(other)
    assert await other.add({LOST: LASTS})
    assert await index.find([FREE, LOST]) is True
    await in_step(other)
    servers.owner.operator.flushall()
    assert await cannot_tell(index)
    assert await cannot_tell(other)
    await in_step(index)
    down = servers.others[0]
    down.kill()
    assert await is_right(index)
    with servers.haste():
        eventually(lambda: "fail" in servers.owner.operator.cluster("NODES")[down.address]["flags"])
    assert await is_right(index)
    assert await index.add({LOST: LASTS})
    assert await index.rebuild(holding(live)) is IndexState.TRUSTED
    await in_step(open_index(servers.url))


async def test_an_entry_that_a_killed_owner_lost_is_not_called_free(own: Cluster, open_index: Open) -> None:
    index, idle, moved = [await in_step(open_index(own.url)) for _ in range(3)]
    eventually(lambda: MARKER in own.replica.operator.scan_iter())
    own.owner.forgets(own.replica)
    assert await index.add({LOST: LASTS})
    assert await index.find([LOST]) is True
    own.owner.kill()
    own.replica.resume()
    assert await index.find([LOST]) is None
    assert not await index.add({str(uuid4()): LASTS})
    assert await index.rebuild(holding(live)) is IndexState.UNREACHABLE
    own.promote_replica()
    promoted = own.replica.operator
    assert promoted.get(MARKER)
    assert not [name for name in promoted.scan_iter() if LOST in name], "the failover lost nothing"
    eventually(lambda: all(own.sends_to(node) == own.replica.port for node in own.others))
    # The next command looks for the owner again, and is not told that the old one ended.
    await moved.close()
    assert await moved.find([LOST]) is None
    for one in (index, idle, moved):
        assert await one.find([LOST]) is None
        assert await cannot_tell(one)
    await in_step(index)
    assert await index.add({LOST: LASTS})
    assert await cannot_tell(idle)
    # It comes back as a replica of the node that replaced it.
    own.owner.start()
    eventually(lambda: own.owner.follows(own.replica))
    await in_step(idle)
    assert await idle.find([LOST]) is True
    assert await is_right(index)


async def test_a_frozen_owner_costs_one_timeout(servers: Cluster, open_index: Open) -> None:
    index, other, left, late = [await in_step(open_index(servers.url)) for _ in range(4)]
    servers.owner.pause()
    # These two are closed in this state.
    assert not await left.add({REVOKED: LASTS})
    assert await late.rebuild(holding(live)) is IndexState.UNREACHABLE
    assert set(await asyncio.gather(*(index.find([REVOKED]) for _ in range(20)))) == {None}
    with unasked(index):
        assert [await index.find([FREE]) for _ in range(100)] == [None] * 100
    assert not await other.add({REVOKED: LASTS})
    with unasked(other):
        assert await cannot_tell(other)
    assert await index.rebuild(holding(live)) is IndexState.UNREACHABLE
    servers.owner.resume()
    assert await cannot_tell(index)
    for one in (index, other):
        await in_step(one)


async def test_an_owner_that_was_restarted_empty_is_not_trusted(servers: Cluster, open_index: Open) -> None:
    index = await in_step(open_index(servers.url))
    servers.owner.kill()
    servers.owner.start()
    assert await cannot_tell(index)
    await in_step(index)


async def test_a_slot_that_moves_without_its_keys_and_back_is_not_trusted(
    servers: Cluster, open_index: Open
) -> None:
    asking = [await in_step(open_index(servers.url)) for _ in range(3)]
    owner, guest = servers.owner, servers.others[0]
    for old, new, index in zip((owner, guest, owner), (guest, owner, guest), asking, strict=True):
        old.operator.flushall()
        servers.give_slot(new, *servers.primaries)
        assert await index.find([LOST]) is None
        assert await cannot_tell(index)
        assert await index.add({LOST: LASTS})
        assert await cannot_tell(index)
        await in_step(index)
        assert await index.find([LOST]) is True
    guest.operator.flushall()
    servers.give_slot(owner, *servers.primaries)


async def test_a_slot_that_moves_with_its_keys_is_never_wrong(servers: Cluster, open_index: Open) -> None:
    owner, guest = servers.owner, servers.others[0]
    for old, new in ((owner, guest), (guest, owner)):
        await migrates(servers, old, new, open_index)


async def test_a_slot_that_moves_to_a_new_node_is_never_wrong(servers: Cluster, open_index: Open) -> None:
    owner, stranger = servers.owner, servers.add()
    for old, new in ((owner, stranger), (stranger, owner)):
        await migrates(servers, old, new, open_index)


async def migrates(servers: Cluster, old: Node, new: Node, open_index: Open) -> None:
    """Migrate the slot step by step; at each step a client asks that has not asked since the start."""
    watching = [await in_step(open_index(servers.url)) for _ in range(4)]
    during = open_index(servers.url)

    def hand_over(which: str) -> None:
        if names := list(old.operator.scan_iter(match=which)):
            old.operator.migrate("127.0.0.1", new.port, names, 0, 5000)

    async def ask(index: RevocationIndex) -> None:
        assert await is_not_wrong(index)
        assert not await index.add({LOST: LASTS}) or await index.find([LOST]) is not False
        await during.rebuild(holding(live))
        assert await is_not_wrong(during)

    new.operator.cluster("SETSLOT", SLOT, "IMPORTING", servers.id_of(old))
    old.operator.cluster("SETSLOT", SLOT, "MIGRATING", servers.id_of(new))
    await ask(watching[0])
    hand_over("*:blacklist:*")
    await ask(watching[1])
    hand_over("*")
    await ask(watching[2])
    hand_over("*")
    servers.give_slot(new, *servers.primaries)
    await ask(watching[3])
    for index in (*watching, during):
        await in_step(index)


async def test_a_cluster_that_is_down_changes_no_answer_and_is_found_again(
    servers: Cluster, open_index: Open
) -> None:
    asking, adding, filling = [await in_step(open_index(servers.url)) for _ in range(3)]
    newcomer = open_index(servers.url)
    for node in servers.nodes:
        node.kill()
    assert set(await asyncio.gather(*(asking.find([REVOKED]) for _ in range(20)))) == {None}
    with unasked(asking):
        assert await cannot_tell(asking)
    assert not await adding.add({LOST: LASTS})
    with unasked(adding):
        assert await cannot_tell(adding)
    for index in (filling, newcomer, asking, adding):
        assert await index.rebuild(holding(live)) is IndexState.UNREACHABLE
        assert not await index.add({LOST: LASTS})
        assert await cannot_tell(index)
    servers.heal()
    for index in (filling, newcomer, asking, adding):
        assert await cannot_tell(index)
        await in_step(index)
