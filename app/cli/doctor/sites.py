"""Sites, as browsers tell them apart: scheme and registrable domain (HTML, "schemeful same site")."""

from functools import cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from publicsuffixlist import PublicSuffixList

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Site(NamedTuple):
    """What two origins have in common when a browser sends a Strict cookie from one to the other."""

    scheme: str
    host: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


def site_of(address: str) -> Site:
    """The site of an origin or any other address; the port does not matter.

    IP addresses, ``localhost`` and public suffixes have no registrable domain, and are sites of their own.
    """
    url = urlsplit(address)
    host = url.hostname or ""
    return Site(url.scheme, host if is_ip(host) else _suffixes().privatesuffix(host) or host)


def is_public_suffix(host: str) -> bool:
    """Whether anybody may have a name below this one, as below ``co.uk`` or ``github.io``."""
    return "." in host and not is_ip(host) and _suffixes().privatesuffix(host) is None


def public_suffix_of(host: str) -> str:
    """The public suffix of a name, which is at least its last label."""
    return _suffixes().publicsuffix(host) or host


def is_ip(host: str) -> bool:
    """Whether this is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def origin_of(address: str) -> str:
    """The origin of an address as browsers write it: lower case, ASCII, no default port (RFC 6454 6.1)."""
    url = urlsplit(address)
    host = url.hostname or ""
    host = f"[{host}]" if ":" in host else _ascii(host)
    port = "" if url.port in {None, _DEFAULT_PORTS.get(url.scheme)} else f":{url.port}"
    return f"{url.scheme}://{host}{port}"


def is_local(address: str) -> bool:
    """Whether an address can be reached from its own machine only."""
    return urlsplit(address).hostname in _LOCAL


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        # It is no name of the DNS, and stays what it is.
        return host


@cache
def _suffixes() -> PublicSuffixList:
    # The list that the library brings; it takes a twentieth of a second to read, and is needed here only.
    return PublicSuffixList()
