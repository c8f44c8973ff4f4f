"""``proxies``: the proxies whose X-Forwarded-For is trusted."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from app.cli.doctor.findings import Finding, note, ok, warning

# Networks that the Internet does not route (RFC 1918, 4193, 6598, 3927) and loopback.
_PRIVATE_4 = [
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")),
    *map(IPv4Network, ("169.254.0.0/16", "127.0.0.0/8")),
]
_PRIVATE_6 = [*map(IPv6Network, ("fc00::/7", "fe80::/10", "::1/128"))]
_WIDE = {4: 16, 6: 48}


def check_proxies(issuer: str, trusted: Sequence[str]) -> Iterator[Finding]:
    """Check each network of AUTH_TRUSTED_PROXIES, or whether a missing one is needed."""
    if trusted:
        for network in map(ip_network, trusted):
            yield _check(network)
    elif urlsplit(issuer).scheme == "https":
        yield warning(
            "proxies",
            "AUTH_TRUSTED_PROXIES is empty, but a proxy in front of the service terminates TLS. Every "
            "request seems to come from that proxy: one attacker's wrong passwords throttle every user, and "
            "each session shows the proxy's address. List the proxy's addresses.",
        )
    else:
        yield ok("proxies", "No proxy is trusted: X-Forwarded-For is ignored.")


def _check(network: IPv4Network | IPv6Network) -> Finding:
    trust = f"X-Forwarded-For is trusted from {network}"
    if not _is_private(network) and network.num_addresses > 1:
        return warning(
            "proxies",
            f"{trust}, which has {network.num_addresses:,} public addresses: a client at any of them can "
            "claim any address and so evade the limits. List only your own proxies' addresses.",
        )
    if network.prefixlen < _WIDE[network.version]:
        return note(
            "proxies",
            f"{trust}, which has {network.num_addresses:,} addresses: every machine in it can claim any "
            "address and so evade the limits. List the proxies' addresses, or a network of proxies only.",
        )
    return ok("proxies", f"{trust}: a request through it counts for the client address in that header.")


def _is_private(network: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return any(network.subnet_of(outer) for outer in _PRIVATE_4)
    return any(network.subnet_of(outer) for outer in _PRIVATE_6)
