"""Where an address counts: whoever has one of an IPv6 network has them all."""

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
def test_an_address_counts_by_itself_or_by_its_64(address: str | None) -> None:
    assert network_of(address) == COUNTS_AS[address]
