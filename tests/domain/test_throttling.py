"""The network that an address counts for: an IPv6 client can use every address of its /64."""

import pytest

from app.domain.throttling import network_of

COUNTS_AS = {
    "192.0.2.7": "192.0.2.7",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:db8:1:2::": "2001:db8:1:2::/64",
    "2001:db8:1:3::": "2001:db8:1:3::/64",
    "::1": "::/64",
    None: "unknown",
}


@pytest.mark.parametrize("address", COUNTS_AS, ids=str)
def test_an_ipv4_address_counts_alone_and_an_ipv6_address_with_its_64(address: str | None) -> None:
    assert network_of(address) == COUNTS_AS[address]
