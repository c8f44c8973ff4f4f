"""Clients of redis-py, for more than a plain connection: TLS, the primary that Sentinels name, a Cluster."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ClusterError, RedisClusterException, RedisError, ResponseError

from app.storage.outages import words
from app.storage.redis.connection import Word
from app.storage.redis.errors import RedisFailure, RedisRefusal

Options = dict[str, Any]
Hosts = Sequence[tuple[str, int]]
_SLOTS = 16
"""A burst of scripts must not open a burst of connections."""


class Bounded:
    """A client of redis-py. A script may take ``longest`` seconds with all that the client asks before."""

    def __init__(self, client: Redis | RedisCluster, longest: float) -> None:
        self.client = client
        self._longest = longest
        self._slots = asyncio.Semaphore(_SLOTS)
        self._failures = 0

    async def eval(self, script: str, numkeys: int, *keys_and_args: Word) -> Any:  # noqa: ANN401 - a script returns anything
        """Run a script; RedisFailure or OSError when that fails."""
        failures = self._failures
        async with self._slots:
            if failures != self._failures:
                raise RedisFailure("Redis failed while this script waited for a connection")
            try:
                async with asyncio.timeout(self._longest):
                    return await self.client.eval(script, numkeys, *keys_and_args)
            except ResponseError as error:
                raise RedisRefusal(words(error)) from error
            except (RedisError, OSError) as error:
                self._failures += 1
                raise RedisFailure(words(error)) from error

    async def aclose(self) -> None:
        """Close all connections."""
        try:
            await self.client.aclose()
        except RedisError as error:
            raise RedisFailure(words(error)) from error


def limits(timeout: float) -> Options:
    """The options of a connection that is tried once, and may take so many seconds, as may each reply."""
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
    }


def with_tls(url: str, options: Options) -> Redis:
    """A client of one server, by a URL without a login."""
    client: Redis = Redis.from_url(url, **options)
    return client


def primary_of(
    hosts: Hosts, service: str, database: int, options: Options, sentinel_options: Options
) -> Redis:
    """A client of the primary of this service that Sentinels name."""
    sentinel = Sentinel(  # type: ignore[no-untyped-call] # redis-py has no types here
        hosts, sentinel_kwargs=sentinel_options, **options
    )
    primary: _Primary = sentinel.master_for(service, redis_class=_Primary, db=database)
    return primary


def cluster_of(hosts: Hosts, options: Options) -> RedisCluster:
    """A client of a cluster, by some of its nodes."""
    return _Cluster(startup_nodes=[ClusterNode(host, port) for host, port in hosts], **options)


class ChangingLogin(CredentialProvider):
    """Asks for the password, or the user and the password, of each new connection."""

    def __init__(self, login: Callable[[], Sequence[str]]) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """The user and the password, or the password alone."""
        *user, password = self._login()
        return (user[0], password) if user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """The same; the file that holds them is small and near."""
        return self.get_credentials()


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
