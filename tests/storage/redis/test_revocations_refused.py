"""The revocation index on a server that refuses writes: an entry that it lacks is never called free."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.revocations import holding
from tests.support.valkeys import Node, alone, blacklists
from tests.support.waiting import until

Open = Callable[[str], RevocationIndex]
LASTS = timedelta(minutes=16)
REVOKED, FREE, MISSED = (str(uuid4()) for _ in range(3))
ENTRIES = {REVOKED: LASTS}
FAULTS = ["read-only", "full"]


@pytest.fixture
def server() -> Iterator[Node]:
    with alone() as server:
        yield server


@pytest.fixture
async def open_index(server: Node) -> AsyncIterator[Open]:
    async with blacklists(lambda: [server]) as open_index:
        yield open_index


@pytest.fixture
async def index(server: Node, open_index: Open) -> RevocationIndex:
    return await in_step(open_index(server.url))


async def in_step(index: RevocationIndex) -> RevocationIndex:
    """With a Postgres that has one entry."""

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


async def cannot_tell(index: RevocationIndex) -> bool:
    answers = [await index.find([REVOKED]), await index.find([FREE])]
    return answers == [None, None] and not index.is_trusted


def refuse_writes(server: Node, fault: str, *, refuse: bool) -> None:
    if fault == "full":
        server.operator.config_set("maxmemory", "1" if refuse else "0")
    elif fault == "alone":
        server.operator.config_set("min-replicas-to-write", "1" if refuse else "0")
    else:
        # A replica of a primary that does not answer refuses writes and answers reads.
        server.operator.replicaof(*(("127.0.0.1", "1") if refuse else ("NO", "ONE")))


@pytest.mark.parametrize("fault", [*FAULTS, "alone"])
async def test_after_a_refused_write_reads_are_not_trusted(
    server: Node, index: RevocationIndex, fault: str
) -> None:
    refuse_writes(server, fault, refuse=True)
    # Until a write is missed, its entries are right.
    assert await index.find([REVOKED]) is not False
    assert not await index.add({MISSED: LASTS})
    assert await cannot_tell(index)
    assert await index.rebuild(holding(live)) is not IndexState.TRUSTED
    assert await cannot_tell(index)
    refuse_writes(server, fault, refuse=False)
    assert await cannot_tell(index)
    await in_step(index)


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_refused_write_no_other_process_trusts_the_index_at_its_next_check(
    server: Node, open_index: Open, index: RevocationIndex, fault: str
) -> None:
    others = [await in_step(open_index(server.url)) for _ in range(3)]
    refuse_writes(server, fault, refuse=True)
    assert not await index.add({MISSED: LASTS})
    assert await others[0].find([MISSED]) is None
    assert await cannot_tell(others[0])
    refuse_writes(server, fault, refuse=False)
    if fault == "full":
        # The marker is gone, so every process and every time gives the same answer.
        assert await others[1].find([MISSED]) is None
        assert await cannot_tell(others[1])


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_write_that_fails_during_a_rebuild_leaves_the_index_untrusted(
    server: Node, index: RevocationIndex, fault: str
) -> None:
    async def failing_write() -> Mapping[str, timedelta]:
        read = dict(ENTRIES)
        # Revoked after Postgres was read, and lost on its way here.
        refuse_writes(server, fault, refuse=True)
        assert not await index.add({MISSED: LASTS})
        refuse_writes(server, fault, refuse=False)
        return read

    assert await index.rebuild(holding(failing_write)) is not IndexState.TRUSTED
    assert await index.find([MISSED]) is None
    assert await cannot_tell(index)
    await in_step(index)
