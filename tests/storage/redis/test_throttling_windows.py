"""Charges leave their windows one by one, in Redis as in this process."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import redis

from app.domain.throttling import Budget, Limit, Rule, TooManyRequests
from app.storage.redis.throttling import REMEMBERED, FailureCounters
from app.wiring import utc_now
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
from tests.support.database import age, counted
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
async def test_the_lists_keep_their_names_and_their_form_for_replicas_of_the_next_release(
    url: str, one: Replica
) -> None:
    # The issuer is http://localhost:8000.
    recorded = "{watchword}:0121783a:throttling:account/one/5/60/second"
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


def network(number: int, *, is_quiet_below: int = 2) -> Budget:
    """A network of its own, which is quiet until it has had so many failures in an hour."""
    limits = (Limit(100, MINUTE), Limit(100 * is_quiet_below, 60 * MINUTE))
    return Budget("address", f"192.0.2.{number}", limits, is_network=True)


def noisy_only(amount: int) -> Budget:
    return Budget("everyone", "", (Limit(amount, MINUTE),), refuses=Rule.NOISY)


async def test_a_budget_that_is_used_up_still_admits_quiet_networks(url: str, one: Replica) -> None:
    shared = noisy_only(3)
    for _ in range(3):
        await one.charge([network(1), shared])
    assert (await refusal(one, network(1), shared)).budget == shared
    # It is not remembered against others that it refused this one.
    with pytest.raises(TooManyRequests):
        await one.charge([network(1), shared])
    for _ in range(2):
        await one.charge([network(2), shared])
    assert (await refusal(one, network(2), shared)).budget == shared
    wait(one, url, 61)
    await one.charge([network(1), shared])
    # The failures of the last hour say whether a network is quiet.
    for number in range(3, 5):
        await one.charge([network(number), shared])
    assert (await refusal(one, network(1), shared)).budget == shared


async def test_each_of_the_networks_of_an_attempt_must_be_quiet(one: Replica) -> None:
    narrow, wide, shared = network(1), network(2, is_quiet_below=4), noisy_only(1)
    for number in range(10, 14):
        await one.charge([network(number), wide])
    await one.charge([narrow])
    await one.charge([narrow, shared])
    assert (await refusal(one, network(3), wide, shared)).budget == shared
    await one.charge([network(3), shared])


async def test_a_budget_that_only_counts_refuses_nothing_and_loses_no_charge(one: Replica) -> None:
    counting = BUDGET.only_counting()
    assert await charged(one, times=5) == 5
    for _ in range(10):
        await one.charge([counting])
        await one.settle([counting])
        assert await charged(one, times=1) == 0
        let_pass(one, REMEMBERED)
    for _ in range(3):
        await one.charge([counting])
    assert (await refusal(one, BUDGET)).limit == BUDGET.limits[0]
    await one.settle([counting])
    let_pass(one, REMEMBERED)
    assert await charged(one, times=1) == 0


@pytest.mark.parametrize("url", ["in Redis"], indirect=True)
async def test_a_list_keeps_nothing_that_has_left_its_window(url: str, one: Replica) -> None:
    counting = Budget("account", "counted", (Limit(2, MINUTE),)).only_counting()
    for _ in range(5):
        await one.charge([counting])
    age(url, 30)
    await one.charge([counting])
    assert counted(url) == {"account/counted": 6}
    age(url, 31)
    await one.charge([counting])
    assert counted(url) == {"account/counted": 2}


@pytest.mark.parametrize("url", ["in Redis"], indirect=True)
async def test_deployments_with_different_issuers_count_apart(url: str, one: Replica) -> None:
    another = FailureCounters(url, "https://another.example.com", utc_now)
    for replica in (one, another):
        for _ in range(7):
            await replica.charge([TOGETHER])
        with pytest.raises(TooManyRequests):
            await replica.charge([TOGETHER])
    await another.close()
