"""The networks that an address counts for, and how many failures each of them may have."""

from datetime import timedelta

import pytest

from app.domain.throttling import Limit, networks_of

COUNTS_AS = {
    "192.0.2.7": {"192.0.2.7": 1},
    "2001:db8:1:2345:6:7:8:9": {
        "2001:db8:1:2345::/64": 1,
        "2001:db8:1:2300::/56": 4,
        "2001:db8:1::/48": 16,
    },
    "::1": {"::/64": 1, "::/56": 4, "::/48": 16},
    None: {"unknown": 1},
}
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("address", COUNTS_AS, ids=str)
def test_an_ipv4_address_counts_alone_and_an_ipv6_address_with_three_networks(address: str | None) -> None:
    assert dict(networks_of(address)) == COUNTS_AS[address]


def test_a_larger_network_has_larger_limits() -> None:
    budgets = [network.budget("address", (Limit(100, HOUR),)) for network in networks_of("2001:db8::1")]
    assert [budget.limits for budget in budgets] == [(Limit(number, HOUR),) for number in (100, 400, 1600)]
    assert all(budget.is_network for budget in budgets)


@pytest.mark.parametrize(("amount", "quiet"), [(1, 1), (99, 1), (100, 1), (1000, 10), (16_000, 160)])
def test_a_network_is_quiet_below_a_hundredth_of_its_limit(amount: int, quiet: int) -> None:
    assert Limit(amount, HOUR).quiet == quiet


def test_the_part_of_a_budget_in_an_attempt_does_not_make_it_another_budget() -> None:
    (network,) = networks_of("192.0.2.1")
    budget = network.budget("address", (Limit(1, HOUR),))
    assert budget.only_counting() == budget
    assert hash(budget.only_counting()) == hash(budget)
