"""How many connections may be open: in all, and from one address, unless that is a trusted proxy."""

import subprocess
import sys

import pytest
import structlog

from app.server.connection_limits import ConnectionLimits, Connections
from tests.support.connections import Peer, Served, served, turns
from tests.support.servers import ROOT

pytestmark = pytest.mark.requirement("E11")

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def opened(server: Served, number: int, host: str = "127.0.0.1") -> list[Peer]:
    """So many silent connections from this address."""
    peers = [await server.connect(local_addr=(host, 0)) for _ in range(number)]
    await turns()
    return peers


async def is_served(peer: Peer) -> bool:
    await peer.send(GET)
    try:
        return (await peer.answer()).status_code == 200
    except (EOFError, ConnectionError):
        return False


async def test_a_connection_too_many_of_one_address_is_closed_at_once() -> None:
    async with served(ConnectionLimits(in_all=100, per_address=5)) as server:
        first, *_ = peers = await opened(server, 5)
        assert not await is_served((await opened(server, 1))[0])
        assert await is_served((await opened(server, 1, "127.0.0.2"))[0])
        for each in peers:
            assert await is_served(each)
        await first.close()
        await turns()
        assert await is_served((await opened(server, 1))[0])


async def test_a_connection_too_many_of_all_addresses_is_closed_at_once() -> None:
    async with served(ConnectionLimits(in_all=5, per_address=100)) as server:
        for number in range(5):
            await opened(server, 1, f"127.0.0.{2 + number}")
        assert not await is_served((await opened(server, 1))[0])
        assert len(server.state.connections) == 5


async def test_a_trusted_proxy_has_only_the_limit_of_all() -> None:
    limits = ConnectionLimits(in_all=6, per_address=1, trusted_proxies=("127.0.0.1/32",))
    async with served(limits) as server:
        peers = await opened(server, 6)
        for each in peers:
            assert await is_served(each)
        assert not await is_served((await opened(server, 1))[0])


async def test_connections_that_end_leave_nothing_behind() -> None:
    async with served(ConnectionLimits(in_all=10, per_address=10)) as server:
        for _ in range(3):
            for each in await opened(server, 12):
                await each.close()
            await server.emptied()
        assert vars(server.state)["_by_network"] == {}
        assert await is_served((await opened(server, 1))[0])


@pytest.mark.parametrize(
    ("hosts", "admitted"),
    [
        (["192.0.2.1", "::ffff:192.0.2.1"], 1),
        (["192.0.2.1", "192.0.2.2"], 2),
        (["2001:db8::1", "2001:db8:0:0:ffff::2"], 1),
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["", ""], 1),
    ],
)
def test_an_address_is_an_ipv4_address_or_the_network_of_one_customer(
    hosts: list[str], admitted: int
) -> None:
    connections = Connections(ConnectionLimits(in_all=9, per_address=1))
    assert sum(connections.admit(host) is not None for host in hosts) == admitted


def test_a_proxy_is_trusted_also_where_the_socket_shows_it_as_ipv6() -> None:
    connections = Connections(ConnectionLimits(99, 1, ("192.0.2.0/24", "2001:db8::/32")))
    for host in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"):
        assert [connections.admit(host) for _ in range(2)] != [None, None]
        assert connections.admit(host) is not None
    assert [connections.admit("198.51.100.1") is None for _ in range(2)] == [False, True]


def test_refusals_are_told_once_a_minute_with_their_number() -> None:
    now = 0.0
    connections = Connections(ConnectionLimits(in_all=2, per_address=1), lambda: now)
    with structlog.testing.capture_logs() as events:
        for now in (0.0, 1.0, 2.0, 59.0):  # noqa: B007 - the clock reads it
            for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
                connections.admit(host)
        now = 61.0
        connections.admit("192.0.2.4")
    assert [(event["setting"], event["limit"], event["refused"]) for event in events] == [
        ("AUTH_CONNECTIONS_PER_ADDRESS", 1, 1),
        ("AUTH_CONNECTIONS", 2, 1),
        ("AUTH_CONNECTIONS", 2, 13),
    ]
    assert {event["event"] for event in events} == {"connections.refused"}


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one_and_bounds_the_connections() -> None:
    script = """
import resource
from app.server.sockets import most_connections
print(most_connections(100), most_connections(100_000), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run(
        ["sh", "-c", f"ulimit -Sn 100; ulimit -Hn 1000; exec {sys.executable} -c '{script}'"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["100", "744", "1000", "1000"]
