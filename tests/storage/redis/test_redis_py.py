"""Clients of redis-py are bounded: a burst opens few connections, and waits once for a frozen server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from app.storage.redis.errors import RedisFailure, RedisRefusal
from app.storage.redis.redis_py import Bounded, limits
from tests.support.valkeys import Node, alone

ECHO = "return ARGV[1]"


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    with alone() as node:
        yield node


class Counting(Redis):
    """Counts the scripts that are sent."""

    asked = 0

    async def eval(self, *arguments: Any) -> Any:
        self.asked += 1
        return await super().eval(*arguments)


async def failures_of(client: Bounded, count: int) -> list[Any]:
    return await asyncio.gather(*(client.eval(ECHO, 0, 1) for _ in range(count)), return_exceptions=True)


@pytest.mark.requirement("E7")
async def test_a_burst_opens_few_connections_and_waits_once_for_a_frozen_server(node: Node) -> None:
    counting = Counting(port=node.port, **limits(0.5))
    client = Bounded(counting, longest=1.0)
    assert set(await asyncio.gather(*(client.eval(ECHO, 0, 1) for _ in range(100)))) == {b"1"}
    assert len([one for one in node.operator.client_list() if one["cmd"] == "eval"]) <= 16
    counting.asked = 0
    with node.paused():
        failed = await failures_of(client, 100)
    assert {type(one) for one in failed} == {RedisFailure}
    assert counting.asked == 16, "the others learn of the failure without asking"
    assert await client.eval(ECHO, 0, 1) == b"1"
    await client.aclose()


async def test_a_script_may_take_only_so_long_with_all_that_is_asked_before(node: Node) -> None:
    client = Bounded(Redis.from_url(node.url, **limits(30.0)), longest=0.05)
    await client.eval(ECHO, 0, 1)
    with node.paused():
        (failed,) = await failures_of(client, 1)
    assert isinstance(failed, RedisFailure)
    await client.aclose()


async def test_a_refusal_of_the_server_is_one_of_ours_with_its_words(node: Node) -> None:
    client = Bounded(Redis.from_url(node.url, **limits(30.0)), longest=30.0)
    with pytest.raises(RedisRefusal, match="no such key"):
        await client.eval("return redis.error_reply('ERR no such key')", 0)
    await client.aclose()
