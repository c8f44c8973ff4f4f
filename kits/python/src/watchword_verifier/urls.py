"""Which addresses may be asked: https, and http to this machine alone."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from watchword_verifier.errors import FetchError

_PORTS = {"https": 443, "http": 80}
MAX_LENGTH = 2048


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address that may be asked.

    Raises:
        FetchError: It is neither https nor http to a loopback host, or holds credentials or a fragment.
    """
    parts = _split(url)
    host = parts.hostname or ""
    if not host or parts.username is not None or parts.fragment:
        raise FetchError("the address has no host, or holds credentials or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise FetchError("the address is not https")
    return parts.scheme, host, _port(parts)


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult:
    # urlsplit removes these characters silently, and what is asked should be what was checked.
    if len(url) > MAX_LENGTH or not url.isascii() or any(letter <= " " or letter == "\x7f" for letter in url):
        raise FetchError("the address is malformed")
    try:
        return urlsplit(url)
    except ValueError:
        raise FetchError("the address is malformed") from None


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise FetchError("the port of the address is malformed") from None
