"""A client of Redis or Valkey by URL: one server, a primary that Sentinels name, or a Cluster."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from typing import Any, Protocol, TypeAlias
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ClusterError, RedisClusterException

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
_LONGEST_REASON = 500
_SENTINEL_PORT, _PORT = 26_379, 6_379


def prefix(issuer: str) -> str:
    """What the names of all keys of a deployment begin with, so that several can use one server.

    One hash tag, so that a cluster keeps all keys on one node and answers for them together.
    """
    return f"{{watchword}}:{hashlib.sha256(issuer.encode()).hexdigest()[:8]}:"


ReadAgain: TypeAlias = Callable[[], str | None]


class Client(Protocol):
    """The methods of a single server's client and of a Cluster's that are used here."""

    def eval(self, script: str, numkeys: int, *keys_and_args: str | bytes | int) -> Awaitable[Any]:
        """Run a script on the server that holds its keys."""

    def aclose(self) -> Awaitable[None]:
        """Close all connections."""


def open_client(url: str, timeout: float = TIMEOUT, read_again: ReadAgain | None = None) -> Client:
    """Return a client that connects at its first use and retries nothing; ValueError for a bad URL.

    ``redis://``, ``rediss://`` and ``unix://`` name a server, ``redis+sentinel://host,host/service/db`` the
    primary of a service, ``redis+cluster://host,host`` nodes of a cluster; ``rediss+…`` use TLS.
    Connecting, and each reply, may take ``timeout`` seconds. ``read_again`` returns the URL that its file has
    now, or None: each new connection takes its login from there.
    """
    parts, options = _parse(url)
    kind = parts.scheme.partition("+")[2]
    limits: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
    }
    common = dict(limits)
    login: dict[str, Any] = dict(_login(parts))
    if read_again is not None and "password" in login:
        login = {"credential_provider": _ChangingLogin(url, read_again)}
    if not kind:
        return Redis.from_url(_without_login(parts), **common | login)
    hosts = _hosts(parts, _SENTINEL_PORT if kind == "sentinel" else _PORT)
    common |= login | {name: options[name] for name in options.keys() & _TLS_OPTIONS}
    if parts.scheme.startswith("rediss"):
        common["ssl"] = True
    if kind == "cluster":
        if parts.path.strip("/"):
            raise ValueError("a cluster has no databases; leave out what follows the hosts")
        return _Cluster(startup_nodes=[ClusterNode(host, port) for host, port in hosts], **common)
    service, _, number = parts.path.strip("/").partition("/")
    if not service or not (number or "0").isdecimal():
        raise ValueError("is not of the form redis+sentinel://host:26379,host:26379/service/0")
    sentinel_login = {
        key.removeprefix("sentinel_"): options[key] for key in options if key not in _TLS_OPTIONS
    }
    tls = {key: common[key] for key in common.keys() & {"ssl", *_TLS_OPTIONS}}
    sentinel = Sentinel(  # type: ignore[no-untyped-call] # redis-py has no types here
        hosts,
        sentinel_kwargs=limits | tls | sentinel_login,
        **common,
    )
    primary: _Primary = sentinel.master_for(service, redis_class=_Primary, db=int(number or 0))
    return primary


def words(error: Exception) -> str:
    """What Redis or the system says about a failure; a timeout says nothing but its name."""
    text = (str(error).strip().splitlines() or [""])[0]
    return text[:_LONGEST_REASON] or type(error).__name__


def servers(url: str) -> tuple[list[str], bool]:
    """Return the hosts that a URL names, none for a socket, and whether the connections use TLS."""
    parts, _ = _parse(url)
    if parts.scheme == "unix":
        return [], False
    return [host for host, _ in _hosts(parts, _PORT)], parts.scheme.startswith("rediss")


class _Cluster(RedisCluster):
    """A client of one slot of a cluster; the states of the other slots do not matter."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - redis-py's
        super().__init__(require_full_coverage=False, **options)
        # redis-py would ask one certain node for all commands, and fail while that node is down.
        self.commands_parser.initialize = _ask_for_no_commands  # type: ignore[method-assign] # as above
        self._first_use = asyncio.Lock()

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's
        """Run a command; every fault of the cluster is a ClusterError."""
        try:
            # When several commands come first at once, redis-py closes connections that others are using.
            async with self._first_use if self._initialize else nullcontext():
                return await super().execute_command(*arguments, **options)
        except (RedisClusterException, AttributeError) as error:
            # The first is no RedisError; redis-py raises the second for a slot whose node it does not know.
            raise ClusterError(str(error)) from error

    async def aclose(self) -> None:
        """Close all connections, also those to nodes that never became part of the cluster."""
        await super().aclose()
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")


async def _ask_for_no_commands(node: ClusterNode | None = None) -> None:
    """Do without the table of commands, which tells where a command has its keys: that of EVAL is known."""


class _Primary(Redis):
    """A client of the primary that Sentinels name."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        """Close all connections, also those to the Sentinels."""
        await super().aclose(close_connection_pool)
        assert isinstance(self.connection_pool, SentinelConnectionPool)  # noqa: S101 - master_for makes it
        for sentinel in self.connection_pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _parse(url: str) -> tuple[SplitResult, dict[str, str]]:
    """Return the URL's parts and its options, or ValueError for an option that is not for the URL to set."""
    try:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if "+" not in parts.scheme:
            parse_url(url)
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


def _login(parts: SplitResult) -> dict[str, str]:
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    login = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in login.items() if value}


def _without_login(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


class _ChangingLogin(CredentialProvider):
    """The login of a URL: each new connection uses the one that the URL's file has by then."""

    def __init__(self, url: str, read_again: ReadAgain) -> None:
        self._url, self._read_again = url, read_again

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """The user and the password, or the password alone."""
        fresh = self._read_again()
        with suppress(ValueError):
            if fresh is not None and "password" in _login(_parse(fresh)[0]):
                self._url = fresh
        login = _login(_parse(self._url)[0])
        return (login["username"], login["password"]) if "username" in login else (login["password"],)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same; the file is small and near."""
        return self.get_credentials()


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
