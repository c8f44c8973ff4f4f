"""How many connections may be open at a time: in all, and for one address."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import structlog
from uvicorn.server import ServerState

from app.domain.hosts import CUSTOMER_PREFIX

_LOG_EVERY = 60.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one process; a trusted proxy has only the first, since all clients share its address."""

    in_all: int
    per_address: int
    trusted_proxies: tuple[str, ...] = ()


class Connections(ServerState):
    """The open connections of one process, as uvicorn keeps them, and whether another one may be open."""

    def __init__(self, limits: ConnectionLimits, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.closes_kept = False
        """Whether the next response of each connection is its last one."""
        self._limits = limits
        self._trusted = [ip_network(network) for network in limits.trusted_proxies]
        self._clock = clock
        self._open = 0
        self._by_network: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def admit(self, host: str) -> str | None:
        """Count a connection of this address. Return the network to release, or None: it is one too many."""
        address = _parsed(host)
        network = _network(address)
        if self._open >= self._limits.in_all:
            self._refuse("AUTH_CONNECTIONS", self._limits.in_all, host)
            return None
        if self._by_network[network] >= self._limits.per_address and not self._is_trusted(address):
            self._refuse("AUTH_CONNECTIONS_PER_ADDRESS", self._limits.per_address, host)
            return None
        self._open += 1
        self._by_network[network] += 1
        return network

    def release(self, network: str) -> None:
        """Count a connection of this network no longer."""
        self._open -= 1
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]

    def _is_trusted(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)

    def _refuse(self, setting: str, limit: int, host: str) -> None:
        self._refused[setting] += 1
        now = self._clock()
        if now - self._logged_at.get(setting, -_LOG_EVERY) >= _LOG_EVERY:
            self._logged_at[setting] = now
            refused = self._refused.pop(setting)
            _log.warning("connections.refused", setting=setting, limit=limit, refused=refused, address=host)


def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    # A socket for both kinds shows an IPv4 address as an IPv6 one (RFC 4291 section 2.5.5.2).
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _network(address: IPv4Address | IPv6Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address), CUSTOMER_PREFIX), strict=False))
    return str(address)
