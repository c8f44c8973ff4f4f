"""Failures are counted by all replicas together, or by each process while Redis does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
import redis
import structlog

from app.domain.throttling import Budget, Limit, TooManyRequests
from app.storage.redis import throttling, windows
from app.storage.redis.throttling import ASK_AGAIN_AFTER, FORGOTTEN_AFTER, REMEMBERED, FailureCounters
from app.wiring import utc_now
from tests.storage.redis.test_revocations_rights import RIGHTS, grant
from tests.support.database import counted
from tests.support.servers import ISSUER, PrivateServers
from tests.support.valkeys import Node, alone, cluster, watched

MINUTE = timedelta(minutes=1)
COUNTING = ["+time", "+lindex", "+lpush", "+ltrim", "+expire", "+lpop"]
NO_SERVER = "redis://127.0.0.1:1/0"
BUDGET = Budget("account", "one", (Limit(5, MINUTE), Limit(8, 60 * MINUTE)))


class Replica(FailureCounters):
    """Counters whose clock a test moves on."""

    def __init__(self, url: str) -> None:
        super().__init__(url, ISSUER, lambda: utc_now() + self.ahead)
        self.ahead = timedelta()


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def counters(url: str, opened: AsyncExitStack) -> Replica:
    replica = Replica(url)
    opened.push_async_callback(replica.close)
    return replica


def let_pass(replica: Replica, duration: timedelta) -> None:
    replica.ahead += duration


async def charged(*replicas: Replica, times: int) -> int:
    """How many charges were let through, of so many by each replica at the same time."""
    charges = [replica.charge([BUDGET]) for replica in replicas for _ in range(times)]
    outcomes = await asyncio.gather(*charges, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooManyRequests)]
    assert outcomes.count(None) + len(refused) == len(outcomes)
    return outcomes.count(None)


async def passes(replica: Replica, *budgets: Budget) -> bool:
    try:
        await replica.charge(budgets)
    except TooManyRequests:
        return False
    return True


async def refusal(replica: Replica, *budgets: Budget) -> TooManyRequests:
    let_pass(replica, REMEMBERED)
    with pytest.raises(TooManyRequests) as refused:
        await replica.charge(budgets)
    return refused.value


async def test_replicas_count_together(private_servers: PrivateServers, opened: AsyncExitStack) -> None:
    one, another = (counters(private_servers.valkey.url, opened) for _ in range(2))
    assert await charged(one, another, times=50) == 5
    assert counted(private_servers.valkey.url) == {"account/one": 5}


async def test_a_replica_whose_clock_is_wrong_opens_no_window(
    private_servers: PrivateServers, opened: AsyncExitStack
) -> None:
    one, another = (counters(private_servers.valkey.url, opened) for _ in range(2))
    let_pass(another, 60 * MINUTE)
    assert await charged(one, times=5) == 5
    assert await charged(another, times=5) == 0
    assert (await refusal(another, BUDGET)).opens_in <= 60


async def test_without_redis_each_process_counts_and_logs_it_once(
    private_servers: PrivateServers, opened: AsyncExitStack
) -> None:
    one, another = (counters(private_servers.valkey.url, opened) for _ in range(2))
    assert await charged(one, times=4) == 4
    private_servers.valkey.kill()
    with structlog.testing.capture_logs() as logs:
        assert await charged(one, times=20) == 5
        assert await charged(another, times=20) == 5
        let_pass(one, REMEMBERED)
        await one.settle([BUDGET])
        assert await charged(one, times=20) == 1
        await one.settle([], [BUDGET])
        assert await charged(one, times=20) == 5
    assert [event["event"] for event in logs] == ["throttling.not_shared"] * 2
    assert not one.is_shared

    private_servers.valkey.start()
    with structlog.testing.capture_logs() as logs:
        let_pass(one, REMEMBERED)
        assert await charged(one, times=1) == 0, "Redis is not asked again so soon"
        let_pass(one, ASK_AGAIN_AFTER)
        assert await charged(one, times=1) == 1, "Redis was restarted, and its counts are gone"
        assert await charged(one, times=20) == 4
    assert [event["event"] for event in logs] == ["throttling.shared"]
    assert one.is_shared


async def test_while_redis_hangs_one_attempt_finds_out_and_the_others_do_not_wait(
    private_servers: PrivateServers, opened: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "TIMEOUT", 0.2)
    one = counters(private_servers.valkey.url, opened)
    assert await charged(one, times=1) == 1
    private_servers.valkey.pause()
    assert await charged(one, times=1) == 1
    let_pass(one, ASK_AGAIN_AFTER)
    asking = asyncio.ensure_future(charged(one, times=1))
    await asyncio.sleep(0)
    assert await charged(one, times=1) == 1
    assert not asking.done()
    assert await asking == 1


@pytest.mark.parametrize(
    "setting", [("maxmemory", "1"), ("min-replicas-to-write", "1")], ids=["full", "read-only"]
)
async def test_a_redis_that_refuses_to_write_is_not_counted_with(
    private_servers: PrivateServers, opened: AsyncExitStack, setting: tuple[str, str]
) -> None:
    with redis.Redis.from_url(private_servers.valkey.url) as operator:
        operator.config_set(*setting)
    one = counters(private_servers.valkey.url, opened)
    assert await charged(one, times=20) == 5
    assert not one.is_shared


async def test_a_budget_that_is_used_up_stays_so_while_redis_is_full(
    private_servers: PrivateServers, opened: AsyncExitStack
) -> None:
    one = counters(private_servers.valkey.url, opened)
    assert await charged(one, times=20) == 5
    with redis.Redis.from_url(private_servers.valkey.url) as operator:
        operator.config_set("maxmemory", "1")
        let_pass(one, REMEMBERED)
        await one.charge([Budget("account", "another", BUDGET.limits)])
        assert not one.is_shared
        assert await charged(one, times=20) == 0
        operator.config_set("maxmemory", "0")
    let_pass(one, ASK_AGAIN_AFTER)
    await one.charge([Budget("account", "one more", BUDGET.limits)])
    assert one.is_shared


async def test_a_process_that_counts_alone_keeps_the_limits_that_were_tried_last(
    opened: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "MOST_KEPT", 10)
    one = counters(NO_SERVER, opened)
    assert await charged(one, times=20) == 5
    others = [Budget("account", str(number), (Limit(1, MINUTE),)) for number in range(50)]
    for number, other in enumerate(others):
        await one.charge([other])
        if number % 5 == 0:
            let_pass(one, REMEMBERED)
            assert await charged(one, times=1) == 0, "a limit that is tried again and again is kept"
    kept = [other for other in reversed(others) if not await passes(one, other)]
    assert kept == others[:-10:-1], "and with it the nine that came last"


async def test_the_primary_that_sentinels_name_counts_for_all_replicas(opened: AsyncExitStack) -> None:
    with watched() as servers:
        one, another = (counters(servers.url, opened) for _ in range(2))
        assert await charged(one, another, times=20) == 5
        assert one.is_shared


async def test_a_cluster_counts_for_all_replicas(opened: AsyncExitStack) -> None:
    with cluster() as servers:
        one, another = (counters(servers.url, opened) for _ in range(2))
        assert await charged(one, another, times=20) == 5
        let_pass(another, REMEMBERED)
        await one.settle([BUDGET], [])
        assert await charged(another, times=20) == 1
        assert one.is_shared
        assert another.is_shared


async def test_a_budget_that_is_used_up_is_news_once_and_asked_about_once_a_second(
    private_servers: PrivateServers, opened: AsyncExitStack
) -> None:
    one = counters(private_servers.valkey.url, opened)

    async def refused() -> TooManyRequests:
        with pytest.raises(TooManyRequests) as refusal:
            await one.charge([BUDGET])
        return refusal.value

    assert await charged(one, times=5) == 5
    assert (await refused()).is_news
    counts = [await evaluations(private_servers) for _ in (await refused(), await refused())]
    assert counts[0] == counts[1]
    let_pass(one, REMEMBERED)
    again = await refused()
    assert await evaluations(private_servers) > counts[1]
    assert not again.is_news
    assert again.limit == BUDGET.limits[0]
    let_pass(one, FORGOTTEN_AFTER)
    assert (await refused()).is_news


async def evaluations(servers: PrivateServers) -> int:
    """How many scripts the server has run."""
    with redis.Redis.from_url(servers.valkey.url) as operator:
        return int(operator.info("commandstats")["cmdstat_eval"]["calls"])


async def test_few_rights_are_enough_on_a_server_and_in_a_cluster(opened: AsyncExitStack) -> None:
    for servers in (alone(), cluster()):
        with servers as running:
            nodes = [running] if isinstance(running, Node) else running.nodes
            grant(nodes, *RIGHTS, *COUNTING, *([] if isinstance(running, Node) else ["+cluster|slots"]))
            url = f"redis://{running.address}/0" if isinstance(running, Node) else running.url
            one = counters(url.replace("//", "//watchword:secret@"), opened)
            assert await charged(one, times=20) == 5
            let_pass(one, REMEMBERED)
            await one.settle([BUDGET], [])
            assert await charged(one, times=20) == 1
            await one.settle([], [BUDGET])
            assert await charged(one, times=20) == 5
            assert one.is_shared


async def test_a_redis_that_refuses_charges_and_takes_refunds_locks_nobody_out(
    opened: AsyncExitStack,
) -> None:
    """The rights that an earlier release needed lack TIME: charges are counted here, and refunded here."""
    with alone() as node, structlog.testing.capture_logs() as logs:
        grant([node], *RIGHTS, *(right for right in COUNTING if right != "+time"))
        replica = counters(f"redis://watchword:secret@{node.address}/0", opened)
        for _ in range(20):
            await replica.charge([BUDGET])
            await replica.settle([BUDGET])
        for _ in range(20):
            await replica.charge([BUDGET])
            await replica.settle([], [BUDGET])
        assert not replica.is_shared
    (line,) = [line for line in logs if line["event"] == "throttling.not_shared"]
    assert "time" in line["reason"]
