"""The sockets that the service listens on, and how many files it may open."""

import errno
import resource
import socket

_WITHOUT_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_OTHER_FILES = 256  # Connections to Postgres and Redis, and some more.
_MOST_FILES = 1 << 20  # Some machines allow more, and a few system calls then look at each number.


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host, which is an address or a name.

    ``::`` takes IPv4 too (RFC 3493 section 3.7). OSError when none can be bound, or when one is taken.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
    bound: list[socket.socket] = []
    failure: OSError | None = None
    for family, address in addresses:
        try:
            bound.append(_bound(family, address, takes_both=host == "::"))
        except OSError as error:
            failure = error
            # `localhost` may name an IPv6 address on a machine that has none.
            if error.errno not in _WITHOUT_IPV6:
                break
    if failure and (not bound or failure.errno not in _WITHOUT_IPV6):
        for each in bound:
            each.close()
        raise failure
    return bound


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return it.

    Each connection is an open file, and shells and service managers set the soft limit to 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MOST_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has a lower limit of its own.
        return soft
    return wanted


def most_connections(wanted: int) -> int:
    """The number ``wanted``, or as many connections as the limit of open files allows."""
    return max(1, min(wanted, raise_file_limit() - _OTHER_FILES))


def _bound(family: int, address: object, *, takes_both: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if takes_both else 1)
        made.bind(address)  # type: ignore[arg-type] # what getaddrinfo returned
    except OSError:
        made.close()
        raise
    return made
