"""Opens a client of Redis or Valkey by URL: one server, a primary that Sentinels name, or a Cluster."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from app.storage.outages import ReadAgain
from app.storage.redis.connection import Address, SingleServer, Word

if TYPE_CHECKING:
    from app.storage.redis.redis_py import Bounded

TIMEOUT = 0.05
"""Seconds that connecting may take, or one reply."""
LONGEST = 5 * TIMEOUT
"""Seconds that one query may take with everything that the client has to find out for it."""

_TLS_OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_OPTIONS = {
    "redis": {"db"},
    "rediss": {"db", *_TLS_OPTIONS},
    "unix": {"db"},
    "redis+sentinel": {"sentinel_username", "sentinel_password"},
    "rediss+sentinel": {"sentinel_username", "sentinel_password", *_TLS_OPTIONS},
    "redis+cluster": set[str](),
    "rediss+cluster": _TLS_OPTIONS,
}
_FORM = "is not of the form redis://user:password@host:port/db; percent-encode the password"
_SENTINEL_PORT, _PORT = 26_379, 6_379


def prefix(issuer: str) -> str:
    """What the names of all keys of a deployment begin with, so that several can use one server.

    One hash tag, so that a cluster keeps all keys on one node and answers for them together.
    """
    return f"{{watchword}}:{hashlib.sha256(issuer.encode()).hexdigest()[:8]}:"


class Client(Protocol):
    """The methods of a single server's client and of the others that are used here."""

    async def eval(self, script: str, numkeys: int, *keys_and_args: Word) -> Any:  # noqa: ANN401 - a script returns anything
        """Run a script on the server that holds its keys; one of ``FAILURES`` when that fails."""

    async def aclose(self) -> None:
        """Close all connections."""


def open_client(
    url: str, timeout: float = TIMEOUT, longest: float = LONGEST, read_again: ReadAgain = lambda: None
) -> Client:
    """Return a client that connects at its first use and retries nothing; ValueError for a bad URL.

    ``redis://``, ``rediss://`` and ``unix://`` name a server, ``redis+sentinel://host,host/service/db`` the
    primary of a service, ``redis+cluster://host,host`` nodes of a cluster; ``rediss`` uses TLS.
    Connecting, and each reply, may take ``timeout`` seconds; a script may take ``longest`` with everything
    that the client has to find out for it. Each new connection takes its login from what ``read_again``
    returns, if that is a URL with a password.
    """
    parts, options = _parse(url)
    login = _Login(parts, read_again)
    address = _address(parts, options) if "+" not in parts.scheme else None
    if address is not None and parts.scheme != "rediss":
        return SingleServer(address, login.now, timeout)
    return _by_redis_py(parts, options, login, timeout, longest)


def servers(url: str) -> tuple[list[str], bool]:
    """Return the hosts that a URL names, none for a socket, and whether the connections use TLS."""
    parts, _ = _parse(url)
    if parts.scheme == "unix":
        return [], False
    return [host for host, _ in _hosts(parts, _PORT)], parts.scheme.startswith("rediss")


def _by_redis_py(
    parts: SplitResult, options: dict[str, str], login: "_Login", timeout: float, longest: float
) -> "Bounded":
    from app.storage.redis import redis_py  # noqa: PLC0415 - redis-py is slow to load, and rarely needed

    common = redis_py.limits(timeout)
    tls: dict[str, Any] = {name: options[name] for name in options.keys() & _TLS_OPTIONS}
    if parts.scheme.startswith("rediss"):
        tls["ssl"] = True
    known = {"credential_provider": redis_py.ChangingLogin(login.now)} if login.now() else {}
    kind = parts.scheme.partition("+")[2]
    if not kind:
        return redis_py.Bounded(redis_py.with_tls(_without_login(parts), common | known), longest)
    if kind == "cluster":
        if parts.path.strip("/"):
            raise ValueError("a cluster has no databases; leave out what follows the hosts")
        return redis_py.Bounded(redis_py.cluster_of(_hosts(parts, _PORT), common | known | tls), longest)
    hosts = _hosts(parts, _SENTINEL_PORT)
    service, _, number = parts.path.strip("/").partition("/")
    if not service or not (number or "0").isdecimal():
        raise ValueError("is not of the form redis+sentinel://host:26379,host:26379/service/0")
    sentinel_login = {
        key.removeprefix("sentinel_"): options[key] for key in options if key not in _TLS_OPTIONS
    }
    primary = redis_py.primary_of(
        hosts, service, int(number or 0), common | known | tls, common | tls | sentinel_login
    )
    return redis_py.Bounded(primary, longest)


class _Login:
    """The login of a URL: each new connection uses the one that the URL's file has by then."""

    def __init__(self, parts: SplitResult, read_again: ReadAgain) -> None:
        self._login, self._read_again = _login(parts), read_again

    def now(self) -> Sequence[str]:
        """The password, the user and the password, or nothing for a URL that never had a password."""
        if self._login:
            fresh = self._read_again()
            with suppress(ValueError):
                self._login = _login(_parse(fresh or "")[0]) or self._login
        return self._login


def _address(parts: SplitResult, options: dict[str, str]) -> Address:
    path = unquote(parts.path)
    is_socket = parts.scheme == "unix"
    number = options.get("db") or ("" if is_socket else path.strip("/")) or "0"
    if not number.isdecimal() or (is_socket and not path):
        raise ValueError(_FORM)
    if is_socket:
        return Address("", 0, path, int(number))
    return Address(parts.hostname or "localhost", parts.port or _PORT, database=int(number))


def _parse(url: str) -> tuple[SplitResult, dict[str, str]]:
    """Return the URL's parts and its options, or ValueError for an option that is not for the URL to set."""
    try:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if "+" not in parts.scheme and (parts.scheme not in _OPTIONS or parts.port == 0):
            raise ValueError
    except ValueError:
        # The message of the error may hold a piece of the password.
        raise ValueError(_FORM) from None
    if "@" in parts.query:
        raise ValueError(_FORM)
    allowed = _OPTIONS.get(parts.scheme)
    if allowed is None:
        raise ValueError(f"must start with one of {', '.join(f'{scheme}://' for scheme in _OPTIONS)}")
    if foreign := options.keys() - allowed:
        understood = ", ".join(sorted(allowed)) or "nothing"
        raise ValueError(f"understands {understood} after the question mark, not {min(foreign)}")
    return parts, options


def _login(parts: SplitResult) -> tuple[str, ...]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    named = (unquote(user), unquote(password)) if user else (unquote(password),)
    return named if password else ()


def _without_login(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for entry in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{entry}")
            host, port = one.hostname, one.port or default_port
        except ValueError:
            raise ValueError(_FORM) from None
        if not host:
            raise ValueError("names no host")
        hosts.append((host, port))
    return hosts
