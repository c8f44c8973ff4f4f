"""A look enters what was revoked since the last look of any process, or everything where some may be gone."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from app.domain.revocations import Changes, Revocation
from app.storage.redis.client import prefix
from app.storage.redis.revocation_scripts import FILLED_SECONDS
from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.revocations import lasting
from tests.support.servers import ISSUER
from tests.support.valkeys import Node, alone, asks, blacklists
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L2")

Open = Callable[[str], RevocationIndex]
LASTS = timedelta(minutes=16)
MARKER, FILLED = (f"{prefix(ISSUER)}{name}" for name in ("marker", "filled"))


class Revoked:
    """A Postgres in memory: what was revoked, in the order of commits."""

    def __init__(self, *entries: str) -> None:
        self.entries = list(entries)
        self.epoch = "one"
        self.during: list[str] = []
        """What is revoked while the next look reads."""

    async def __call__(self, since: str | None) -> Changes:
        epoch, _, number = (since or "").partition(" ")
        is_whole = epoch != self.epoch
        end = len(self.entries)
        return Changes(f"{self.epoch} {end}", self._batches(0 if is_whole else int(number), end), is_whole)

    async def _batches(self, start: int, end: int) -> AsyncIterator[Mapping[str, Revocation]]:
        yield dict.fromkeys(self.entries[start:end], lasting(LASTS))
        self.entries += self.during
        self.during = []


@pytest.fixture
def server() -> Iterator[Node]:
    with alone() as server:
        yield server


@pytest.fixture
async def open_index(server: Node) -> AsyncIterator[Open]:
    async with blacklists(lambda: [server]) as open_index:
        yield open_index


@pytest.fixture
def revoked() -> Revoked:
    return Revoked(*(f"early-{number}" for number in range(700)))


@pytest.fixture
async def index(server: Node, open_index: Open, revoked: Revoked) -> RevocationIndex:
    """In step."""
    index = open_index(server.url)
    await look(index, revoked)
    assert all([await index.find([entry]) for entry in (revoked.entries[0], revoked.entries[-1])])
    return index


async def look(index: RevocationIndex, revoked: Revoked) -> int:
    """Look until the index is trusted, which a busy machine may delay; return how many entries it wrote."""
    written = 0

    async def is_trusted() -> bool:
        nonlocal written
        with asks(index) as asked:
            state = await index.rebuild(revoked)
        written = sum(map(entries_of, asked))
        return state is IndexState.TRUSTED

    await until(is_trusted)
    return written


def entries_of(command: Any) -> int:
    """How many entries a command writes."""
    return sum(":blacklist:" in str(part) for part in command)


async def test_a_look_enters_what_was_revoked_since_the_last_one(
    server: Node, index: RevocationIndex, revoked: Revoked
) -> None:
    assert await look(index, revoked) == 0
    revoked.entries += ["late", "later"]
    assert await look(index, revoked) == 2
    assert await look(index, revoked) == 0
    assert await index.find(["later"]) is True


async def test_another_process_enters_only_what_none_has_entered(
    server: Node, open_index: Open, index: RevocationIndex, revoked: Revoked
) -> None:
    others = [open_index(server.url) for _ in range(3)]
    assert [await look(other, revoked) for other in others] == [0, 0, 0]
    revoked.entries += ["late"]
    assert [await look(other, revoked) for other in (*others, index)] == [1, 0, 0, 0]
    assert [await other.find(["late"]) for other in (*others, index)] == [True] * 4
    assert [await other.find(["never"]) for other in others] == [False] * 3


async def restart(server: Node) -> None:
    server.kill()
    server.start()


async def flush(server: Node) -> None:
    server.operator.flushall()


async def promote_again(server: Node) -> None:
    """It may have become a replica of a server that had lost entries, and was promoted in its turn."""
    server.operator.replicaof("127.0.0.1", "1")
    server.operator.replicaof("NO", "ONE")


async def evict(server: Node) -> None:
    """The policy is right again before anything looks."""
    server.operator.config_set("maxmemory-policy", "allkeys-random")
    for number in range(200):
        server.operator.set(f"filler-{number}", "x" * 1000)
    server.operator.config_set("maxmemory", server.operator.info("memory")["used_memory"] - 50_000)
    assert server.operator.info("stats")["evicted_keys"] > 0
    server.operator.config_set("maxmemory", 0)
    server.operator.config_set("maxmemory-policy", "noeviction")


async def outlive(server: Node) -> None:
    """As when five minutes have passed, or the clock was set forward."""
    server.operator.delete(FILLED)


@pytest.mark.parametrize(
    "lose", [restart, flush, promote_again, evict, outlive], ids=lambda lose: lose.__name__
)
async def test_everything_is_entered_again_where_entries_may_be_gone(
    server: Node, index: RevocationIndex, revoked: Revoked, lose: Callable[[Node], Any]
) -> None:
    revoked.entries += ["late"]
    assert await look(index, revoked) == 1
    await lose(server)
    assert await look(index, revoked) == len(revoked.entries)
    assert await look(index, revoked) == 0


async def test_later_looks_do_not_lengthen_the_time_after_which_everything_is_entered_again(
    server: Node, index: RevocationIndex, revoked: Revoked
) -> None:
    assert FILLED_SECONDS - 60 < server.operator.ttl(FILLED) <= FILLED_SECONDS
    server.operator.expire(FILLED, 100)
    revoked.entries += ["late"]
    await look(index, revoked)
    assert 0 < server.operator.ttl(FILLED) <= 100
    # Another database is entered as a whole, and the time begins anew.
    revoked.epoch = "two"
    assert await look(index, revoked) == len(revoked.entries)
    assert 100 < server.operator.ttl(FILLED) <= FILLED_SECONDS


async def test_a_position_that_expires_during_a_look_is_not_brought_back(
    server: Node, index: RevocationIndex, revoked: Revoked
) -> None:
    class Expiring(Revoked):
        async def __call__(self, since: str | None) -> Changes:
            server.operator.delete(FILLED)
            return await super().__call__(since)

    assert await look(index, Expiring(*revoked.entries)) == 0
    assert server.operator.get(FILLED) is None
    assert await look(index, revoked) == len(revoked.entries)


async def test_what_is_revoked_while_everything_is_entered_is_entered_before_any_trust(
    server: Node, index: RevocationIndex, revoked: Revoked
) -> None:
    server.operator.flushall()
    revoked.during = ["meanwhile"]
    assert await look(index, revoked) == len(revoked.entries)
    assert await index.find(["meanwhile"]) is True


async def test_after_a_refused_write_the_next_look_of_any_process_enters_what_was_missed(
    server: Node, open_index: Open, index: RevocationIndex, revoked: Revoked
) -> None:
    other = open_index(server.url)
    await look(other, revoked)
    revoked.entries += ["missed"]
    server.operator.config_set("maxmemory", 1)
    assert not await index.add({"missed": LASTS})
    assert server.operator.get(MARKER) is None
    server.operator.config_set("maxmemory", 0)
    assert await other.find(["missed"]) is None
    assert await look(other, revoked) == 1
    assert await other.find(["missed"]) is True
    assert await look(index, revoked) == 0
    assert await index.find(["missed"]) is True


async def test_a_server_that_may_evict_loses_its_marker_and_costs_no_look_at_postgres(
    server: Node, open_index: Open, index: RevocationIndex, revoked: Revoked
) -> None:
    other = open_index(server.url)
    await look(other, revoked)
    server.operator.config_set("maxmemory-policy", "allkeys-lru")

    async def unread(since: str | None) -> Changes:
        raise AssertionError(since)

    assert await index.rebuild(unread) is IndexState.EVICTING
    # The other process learns of it by its next question.
    assert await other.find(["free"]) is None
    server.operator.config_set("maxmemory-policy", "noeviction")
    assert await look(other, revoked) == len(revoked.entries)


async def test_no_command_of_a_look_is_so_long_that_requests_wait_for_it(
    server: Node, open_index: Open
) -> None:
    many = Revoked(*(f"many-{number}" for number in range(5000)))
    index = open_index(server.url)
    with asks(index) as asked:
        await index.rebuild(many)
    assert max(map(entries_of, asked)) == 500
    assert sum(map(entries_of, asked)) == 5000
