"""Charges leave their windows one by one, in Redis as in this process."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import redis

from app.domain.throttling import Budget, Limit
from app.storage.redis.throttling import REMEMBERED
from tests.storage.redis.test_throttling import (
    BUDGET,
    MINUTE,
    NO_SERVER,
    Replica,
    charged,
    evaluations,
    let_pass,
    refusal,
)
from tests.support.database import age
from tests.support.servers import PrivateServers

TOGETHER = Budget("everyone", "", (Limit(7, MINUTE),))


@pytest.fixture(params=["in Redis", "in this process"])
def url(request: pytest.FixtureRequest, private_servers: PrivateServers) -> str:
    return private_servers.valkey.url if request.param == "in Redis" else NO_SERVER


@pytest.fixture
async def one(url: str) -> AsyncIterator[Replica]:
    replica = Replica(url)
    yield replica
    await replica.close()


def wait(replica: Replica, url: str, seconds: int) -> None:
    """Let time pass for what is counted, wherever that is."""
    let_pass(replica, timedelta(seconds=seconds))
    if url != NO_SERVER:
        age(url, seconds)


async def test_an_attempt_is_charged_to_all_its_budgets_or_to_none(one: Replica) -> None:
    for number in range(7):
        await one.charge([Budget("account", str(number), BUDGET.limits), TOGETHER])
    refused = await refusal(one, BUDGET, TOGETHER)
    assert (refused.budget, refused.limit) == (TOGETHER, TOGETHER.limits[0])
    assert await charged(one, times=20) == 5
    refused = await refusal(one, TOGETHER, BUDGET)
    assert refused.budget == TOGETHER, "the first one that is used up is named"


async def test_a_window_opens_when_its_oldest_charge_has_left_it(url: str, one: Replica) -> None:
    await one.charge([BUDGET])
    wait(one, url, 20)
    assert await charged(one, times=20) == 4
    assert 30 < (await refusal(one, BUDGET)).opens_in <= 40
    wait(one, url, 45)
    assert await charged(one, times=20) == 1
    # The newest charge is the one that is refunded, so the window opens no later than it would have.
    await one.settle([BUDGET])
    let_pass(one, REMEMBERED)
    assert await charged(one, times=20) == 1
    wait(one, url, 61)
    assert await charged(one, times=20) == 2
    refused = await refusal(one, BUDGET)
    assert refused.limit == BUDGET.limits[1]
    assert 3300 < refused.opens_in < 3600


@pytest.mark.parametrize("url", ["in Redis"], indirect=True)
async def test_an_attempt_is_one_round_trip(private_servers: PrivateServers, one: Replica) -> None:
    budgets = [BUDGET, TOGETHER]
    await one.charge(budgets)
    before = await evaluations(private_servers)
    await one.charge(budgets)
    await one.settle([TOGETHER], [BUDGET])
    assert await evaluations(private_servers) == before + 2


@pytest.mark.parametrize("url", ["in Redis"], indirect=True)
async def test_replicas_of_an_earlier_release_count_in_the_same_lists(url: str, one: Replica) -> None:
    recorded = "{watchword}:throttling:account/one/5/60/second"
    with redis.Redis.from_url(url, decode_responses=True) as operator:
        # The newest first, as a number of seconds in seventeen digits.
        operator.rpush(recorded, *(f"{time.time() - past:.17g}" for past in (0.5, 1.25, 2, 3, 30)))
        operator.expire(recorded, 60)
        assert 25 < (await refusal(one, BUDGET)).opens_in <= 30
        age(url, 31)
        let_pass(one, REMEMBERED)
        await one.charge([BUDGET])
        entries = [float(entry) for entry in operator.lrange(recorded, 0, -1)]
        assert len(entries) == 5
        assert entries == sorted(entries, reverse=True)
        assert operator.lrange(recorded, 0, 0) == operator.lrange(recorded.replace("5/60", "8/3600"), 0, -1)
        assert 50 < operator.ttl(recorded) <= 60
