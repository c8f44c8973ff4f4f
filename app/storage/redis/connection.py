"""One connection to one server of Redis, for scripts whose replies come in turn.

A server answers the commands of a connection in their order, so many callers share one: each reply belongs to
the caller that has waited longest. After a time-out or a reply that cannot be read, the order is lost, so the
connection ends with the commands that still wait on it, and the next caller opens another one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias, cast

from hiredis import ProtocolError, Reader, pack_command

from app.storage.redis.errors import RedisFailure, RedisRefusal

Word: TypeAlias = str | bytes | int
_pack: Callable[[tuple[Word, ...]], bytes] = pack_command  # type: ignore[assignment] # it takes more than its stub says
_INCOMPLETE = object()
_STARTING = ("LOADING", "BUSY ")
"""How the errors begin of a server that will answer later."""


class Address(NamedTuple):
    """Where a server listens: host and port, or the path of a socket; and which database is used."""

    host: str
    port: int
    path: str = ""
    database: int = 0


class _Waiting(NamedTuple):
    """A command without its reply yet, and until when that may come by the clock of the event loop."""

    reply: asyncio.Future[Any]
    until: float


class Connection(asyncio.Protocol):
    """An open connection. Each reply may take ``timeout`` seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(replyError=_error, notEnoughData=_INCOMPLETE)
        self._waiting = deque[_Waiting]()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent."""
        return self._transport is not None

    def ask(self, *command: Word) -> asyncio.Future[Any]:
        """Send a command; the future gets its reply, or RedisFailure. A caller may give up waiting for it."""
        if self._transport is None:
            raise RedisFailure("the connection to Redis is closed")
        self._transport.write(_pack(command))
        until = self._loop.time() + self._timeout
        reply = self._loop.create_future()
        self._waiting.append(_Waiting(reply, until))
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._look)
        return reply

    def end(self, reason: str) -> None:
        """Close the connection at once; what waits for a reply fails for this reason."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, deque()
        for reply, _ in waiting:
            if not reply.done():
                reply.set_exception(RedisFailure(reason))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio.Protocol says."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Give each reply to the caller that has waited longest."""
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _INCOMPLETE:
                if not self._waiting:
                    # As to a client that is one too many.
                    self.end(f"Redis says without being asked: {answer}")
                    return
                reply = self._waiting.popleft().reply
                if reply.done():
                    continue
                if isinstance(answer, RedisFailure):
                    reply.set_exception(answer)
                else:
                    reply.set_result(answer)
        except ProtocolError as error:
            self.end(f"the answer is not one of Redis: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits, as asyncio.Protocol says."""
        self.end(f"Redis closed the connection{f': {exc}' if exc else ''}")

    def _look(self) -> None:
        """Find out whether the oldest command has waited for too long. One timer serves all of them."""
        self._timer = None
        if not self._waiting:
            return
        until = self._waiting[0].until
        if self._loop.time() < until:
            self._timer = self._loop.call_at(until, self._look)
        else:
            # A stall of this process is not one of Redis: the event loop reads before it looks at its timers.
            self.end(f"Redis did not answer within {self._timeout * 1000:.0f} ms")


class SingleServer:
    """A client of one server, which connects at its first use and again after a failure; it repeats nothing.

    Connecting may take ``timeout`` seconds, and so may each reply. ``login`` returns a password, or a user
    and a password, or nothing, and is asked for each connection.
    """

    def __init__(self, address: Address, login: Callable[[], Sequence[str]], timeout: float) -> None:
        self.address, self.login, self._timeout = address, login, timeout
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    async def eval(self, script: str, numkeys: int, *keys_and_args: Word) -> Any:  # noqa: ANN401 - a script returns anything
        """Run a script; RedisFailure or OSError when that fails."""
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self._connected()
        return await connection.ask("EVAL", script, numkeys, *keys_and_args)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.end("this process has closed the connection to Redis")

    async def _connected(self) -> Connection:
        """A new connection; callers at the same time share it, and one that gives up does not end it."""
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(self._settle)
        return await asyncio.shield(self._connecting)

    def _settle(self, connecting: asyncio.Task[Connection]) -> None:
        self._connecting = None
        if not connecting.cancelled() and connecting.exception() is None:
            self._connection = connecting.result()

    async def _connect(self) -> Connection:
        loop, address = asyncio.get_running_loop(), self.address
        make = partial(Connection, self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                if address.path:
                    _, connection = await loop.create_unix_connection(make, address.path)
                else:
                    _, connection = await loop.create_connection(make, address.host, address.port)
        except TimeoutError:
            raise RedisFailure(f"Redis was not reached within {self._timeout * 1000:.0f} ms") from None
        await self._introduce(connection)
        return connection

    async def _introduce(self, connection: Connection) -> None:
        login = self.login()
        commands: list[tuple[Word, ...]] = [("AUTH", *login)] if login else []
        if self.address.database:
            commands.append(("SELECT", self.address.database))
        try:
            for command in commands:
                await connection.ask(*command)
        except RedisRefusal as refusal:
            connection.end(str(refusal))
            # Such a server cannot be used until something changes, as if it did not answer.
            raise RedisFailure(str(refusal)) from refusal
        except BaseException:
            connection.end("connecting was given up")
            raise


def _error(text: str) -> RedisFailure:
    return RedisFailure(text) if text.startswith(_STARTING) else RedisRefusal(text)
