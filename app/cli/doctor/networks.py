"""Who is believed about addresses, and who can listen on the way to Postgres and Redis."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from app.cli.doctor.findings import Finding, note, ok, warning
from app.cli.doctor.sites import is_ip

# Networks that the Internet does not route (RFC 1918, 4193, 6598, 3927) and loopback.
_PRIVATE_4 = [
    *map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")),
    *map(IPv4Network, ("169.254.0.0/16", "127.0.0.0/8")),
]
_PRIVATE_6 = [*map(IPv6Network, ("fc00::/7", "fe80::/10", "::1/128"))]
_WIDE = {4: 16, 6: 48}
_CHECKING = {"verify-ca", "verify-full"}


def proxies(issuer: str, trusted: Sequence[str]) -> Iterator[Finding]:
    """Whose address counts when a request came through a proxy."""
    if trusted:
        for network in map(ip_network, trusted):
            yield _proxy(network)
    elif urlsplit(issuer).scheme == "https":
        yield warning(
            "proxies",
            "AUTH_TRUSTED_PROXIES is empty, and something in front of the service ends TLS: every request "
            "seems to come from it, so that one stranger's wrong passwords throttle everybody, and each "
            "session shows the proxy's address. Name the proxy's addresses.",
        )
    else:
        yield ok("proxies", "No proxy is trusted: X-Forwarded-For is believed from nobody.")


def _proxy(network: IPv4Network | IPv6Network) -> Finding:
    believed = f"X-Forwarded-For is believed from {network}"
    if not _is_private(network) and network.num_addresses > 1:
        return warning(
            "proxies",
            f"{believed}, which are {network.num_addresses:,} public addresses: whoever has one of them "
            "passes the limits under any address. Name those of your own proxies only.",
        )
    if network.prefixlen < _WIDE[network.version]:
        return note(
            "proxies",
            f"{believed}, which are {network.num_addresses:,} addresses: every machine among them passes "
            "the limits under any address. Name the proxies, or a network in which only they are.",
        )
    return ok("proxies", f"{believed}: a request that comes through it counts for the address in there.")


def _is_private(network: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return any(network.subnet_of(outer) for outer in _PRIVATE_4)
    return any(network.subnet_of(outer) for outer in _PRIVATE_6)


def postgres_link(hosts: Sequence[str], mode: str | None) -> Finding:
    """Who can listen on the way to Postgres."""
    if mode in _CHECKING:
        return ok("tls", f"Postgres is asked over TLS, and its certificate is checked (sslmode={mode}).")
    if mode == "require" and not _all_here(hosts):
        return note(
            "tls",
            "Postgres is asked over TLS, and nobody checks who answers (sslmode=require): somebody on the "
            "way can pose as Postgres. sslmode=verify-full checks it.",
        )
    return _near(hosts, "AUTH_DATABASE_URL", "sslmode=verify-full") or warning(
        "tls",
        f"AUTH_DATABASE_URL names {', '.join(hosts)} and does not insist on TLS: where it is not offered, "
        "whoever is on the way reads and changes everything. Add ?sslmode=verify-full, or sslmode=require "
        "where the certificate cannot be checked.",
    )


def redis_link(hosts: Sequence[str], *, tls: bool) -> Finding:
    """Who can listen on the way to Redis."""
    if tls:
        return ok("tls", "Redis is asked over TLS.")
    return _near(hosts, "AUTH_REDIS_URL", "rediss://") or warning(
        "tls",
        f"AUTH_REDIS_URL names {', '.join(hosts)} without TLS: whoever is on the way reads its password, and "
        "can make a logout forgotten. Write rediss:// for redis://.",
    )


def _near(hosts: Sequence[str], variable: str, mend: str) -> Finding | None:
    """What is said of hosts that are not far, or None."""
    if _all_here(hosts):
        return ok("tls", f"{variable} does not leave this machine, so that it needs no TLS.")
    if all(_is_here(host) or _is_neighbour(host) for host in hosts):
        return note(
            "tls",
            f"{variable} names {', '.join(hosts)} without TLS, which is fine in a network of containers that "
            f"nobody else is in; over any other network, use {mend}.",
        )
    return None


def _all_here(hosts: Sequence[str]) -> bool:
    return all(_is_here(host) for host in hosts)


def _is_here(host: str) -> bool:
    """Whether this is a socket, or the machine itself."""
    return host in {"", "localhost"} or host.startswith("/") or (is_ip(host) and ip_address(host).is_loopback)


def _is_neighbour(host: str) -> bool:
    """Whether this name has one label, as Docker's inner ones have."""
    return "." not in host and not is_ip(host)
