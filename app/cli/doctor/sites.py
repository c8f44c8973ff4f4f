"""Sites as browsers define them: scheme and registrable domain (HTML, "schemeful same site")."""

from functools import cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

from app.domain.hosts import LOOPBACK

_DEFAULT_PORTS = {"https": 443, "http": 80}


class Site(NamedTuple):
    """A site. A browser sends a SameSite=Strict cookie between two origins of the same site only."""

    scheme: str
    host: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


def site_of(address: str) -> Site:
    """Return the site of an origin or any other address. The port does not matter.

    IP addresses, ``localhost`` and public suffixes have no registrable domain, and are sites of their own.
    """
    url = urlsplit(address)
    host = url.hostname or ""
    return Site(url.scheme, host if is_ip(host) else _suffixes().privatesuffix(host) or host)


def is_public_suffix(host: str) -> bool:
    """Return whether names below this one have different owners, as below ``co.uk`` or ``github.io``."""
    return "." in host and not is_ip(host) and _suffixes().privatesuffix(host) is None


def public_suffix_of(host: str) -> str:
    """Return the public suffix of a name, which is at least its last label."""
    return _suffixes().publicsuffix(host) or host


def is_ip(host: str) -> bool:
    """Return whether this is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def origin_of(address: str) -> str:
    """Return the origin as browsers write it: lower case, ASCII, no default port (RFC 6454 section 6.1)."""
    url = urlsplit(address)
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else _ascii(host)
    port = "" if url.port in {None, _DEFAULT_PORTS.get(url.scheme)} else f":{url.port}"
    return f"{url.scheme}://{host}{port}"


def is_local(address: str) -> bool:
    """Return whether an address can be reached from its own machine only."""
    return urlsplit(address).hostname in LOOPBACK


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        # It is not a DNS name, and stays unchanged.
        return host


@cache
def _suffixes() -> PublicSuffixList:
    # The library ships the list. Reading it takes 50 ms, and few commands need it.
    return PublicSuffixList()
