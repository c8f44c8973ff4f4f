"""The revocation index with a Redis user that has only the rights that docs/operations/redis.md names."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from app.storage.redis.revocations import IndexState, RevocationIndex
from tests.support.revocations import holding
from tests.support.valkeys import Node, alone, blacklists, cluster, watched
from tests.support.waiting import until

RIGHTS = ["+eval", "+info", "+get", "+mget", "+set", "+del"]
ENTRIES = {"revoked": timedelta(minutes=1)}


def grant(nodes: Iterable[Node], *rights: str, name: str = "watchword", keys: str = "~{watchword}:*") -> None:
    for node in nodes:
        node.operator.acl_log_reset()
        node.operator.execute_command("ACL", "SETUSER", name, "reset", "on", ">secret", keys, *rights)


def refused(nodes: Iterable[Node]) -> list[str]:
    """The commands that the servers refused for want of a right."""
    return [entry["object"] for node in nodes for entry in node.operator.acl_log()]


async def live() -> dict[str, timedelta]:
    return ENTRIES


async def is_used(index: RevocationIndex) -> None:
    async def everything_works() -> bool:
        believed = await index.rebuild(holding(live)) is IndexState.TRUSTED
        taken = await index.add({"another": timedelta(minutes=1)})
        answers = [await index.find([entry]) for entry in ("revoked", "another", "free")]
        return believed and taken and answers == [True, True, False]

    await until(everything_works)
    server = await index.describe()
    assert server is not None
    assert (server.name, server.policy, str(server).startswith("Valkey ")) == ("Valkey", "noeviction", True)


@asynccontextmanager
async def only_one(nodes: Iterable[Node], url: str) -> AsyncIterator[RevocationIndex]:
    listed = list(nodes)
    async with blacklists(lambda: listed) as open_index:
        yield open_index(url)


@pytest.mark.parametrize(("number", "needed"), [(0, []), (3, ["+select"])])
async def test_a_server_is_used_with_few_rights(number: int, needed: list[str]) -> None:
    with alone() as node:
        grant([node], *RIGHTS, *needed)
        async with only_one([node], f"redis://watchword:secret@{node.address}/{number}") as index:
            await is_used(index)
            # A refused write removes the marker.
            node.operator.config_set("maxmemory", "1")
            assert not await index.add(ENTRIES)
            node.operator.config_set("maxmemory", "0")
            node.operator.execute_command("SELECT", number)
            assert not node.operator.keys("*:marker")
            assert refused([node]) == []


async def test_a_primary_and_its_sentinels_are_used_with_few_rights() -> None:
    with watched() as servers:
        data = [servers.primary, servers.replica]
        grant(data, *RIGHTS)
        grant(servers.sentinels, "+sentinel|masters", name="asking", keys="resetkeys")
        url = servers.url.replace("//", "//watchword:secret@")
        login = "?sentinel_username=asking&sentinel_password=secret"
        async with only_one(servers.nodes, url + login) as index:
            await is_used(index)
        assert refused(data) == []


async def test_a_cluster_is_used_with_few_rights() -> None:
    with cluster() as servers:
        grant(servers.nodes, *RIGHTS, "+cluster|slots")
        url = servers.url.replace("//", "//watchword:secret@")
        async with only_one(servers.nodes, url) as index:
            await is_used(index)
        assert refused(servers.nodes) == []


async def test_a_missing_right_is_no_error_and_the_index_is_not_trusted() -> None:
    with alone() as node:
        async with blacklists(lambda: [node]) as open_index:
            for missing in RIGHTS:
                grant([node], *(right for right in RIGHTS if right != missing))
                await is_doubted(open_index, f"redis://watchword:secret@{node.address}/0")
            grant([node], *RIGHTS, keys="~other:*")
            await is_doubted(open_index, f"redis://watchword:secret@{node.address}/0")
            await is_doubted(open_index, f"redis://watchword:wrong@{node.address}/0")


async def is_doubted(open_index: Callable[[str], RevocationIndex], url: str) -> None:
    index = open_index(url)
    await index.rebuild(holding(live))
    assert await index.find(["revoked"]) is None
    assert await index.find(["free"]) is None
    assert not index.is_trusted
