"""A fixed pool of connections to Postgres, and the time limit of the statements on them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple

from app.storage.postgres.connections import CONNECT_TIMEOUT, Connection
from app.storage.postgres.outages import is_left_unusable
from app.storage.postgres.parameters import STATEMENT_TIMEOUT

LOOK_EVERY = 1.0
"""Seconds between two looks at the connections in use."""
CLOSE_TIMEOUT = 1.0
"""Seconds that Postgres may take to confirm the end of a connection."""
_SILENT = f"Postgres did not answer within {STATEMENT_TIMEOUT:.0f} seconds"


class _Seen(NamedTuple):
    """How many statements a connection had begun, at which look that was first seen."""

    statements: int
    look: int


class Pool:
    """At most ``size`` connections, opened when they are needed.

    A connection that goes back is not reset: no statement here leaves session state behind.

    Postgres itself ends a statement that takes too long. One timer for all connections ends those whose
    server does not answer at all: each statement, and each pause within a transaction, may take
    ``STATEMENT_TIMEOUT`` and up to two looks more.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._size = self._vacant = size
        self._idle: list[Connection] = []
        self._in_use: dict[Connection, _Seen | None] = {}
        self._waiting = deque[asyncio.Future[Connection | None]]()
        self._silent = set[Connection]()
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0
        self._is_closed = False

    def connection(self) -> "Borrowed":
        """A connection for an ``async with`` block; TimeoutError when none is free for too long."""
        return Borrowed(self)

    async def close(self) -> None:
        """Close the connections; those in use are closed when they come back."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        self._vacant += len(idle)
        await asyncio.gather(*map(_close, idle))

    async def take(self) -> Connection:
        """A connection that is in use by the caller from now on."""
        connection = self._take_idle() or await self._wait() or await self._open()
        self._in_use[connection] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._tick)
        return connection

    def give_back(self, connection: Connection) -> None:
        """End the use of a connection; a closed one is replaced at the next use."""
        del self._in_use[connection]
        self._silent.discard(connection)
        if self._is_closed:
            connection.terminate()
        self._pass_on(None if connection.is_closed() else connection)

    def was_silent(self, connection: Connection) -> bool:
        """Whether the connection in use was ended because its server did not answer."""
        return connection in self._silent

    def _take_idle(self) -> Connection | None:
        """The connection used last, so those that are not needed stay idle; None without one that is open."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._vacant += 1
        return None

    async def _wait(self) -> Connection | None:
        """Wait for a connection, or for the right to open one, which is None."""
        if self._vacant:
            self._vacant -= 1
            return None
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return await self._turn(turn)
        except TimeoutError:
            raise TimeoutError(
                f"none of the {self._size} connections to Postgres became free within "
                f"{CONNECT_TIMEOUT:.0f} seconds"
            ) from None

    async def _turn(self, turn: asyncio.Future[Connection | None]) -> Connection | None:
        try:
            return await turn
        except asyncio.CancelledError:
            # The turn may have come at the moment at which the caller gave up.
            if not turn.cancelled():
                self._pass_on(turn.result())
            raise

    async def _open(self) -> Connection:
        try:
            return await self._connect()
        except BaseException:
            self._pass_on(None)
            raise

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a connection, or the right to open one, to the caller that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if connection is None:
            self._vacant += 1
        else:
            self._idle.append(connection)

    def look(self) -> None:
        """Terminate the connections that have begun no statement since too many looks.

        Looks are counted instead of time, so a stop of this process is not taken for one of the server.
        """
        self._looks += 1
        for connection, seen in self._in_use.items():
            if connection.is_closed():
                continue
            driver: Any = connection
            statements = driver._protocol.queries_count  # noqa: SLF001 - to count them here costs each of them
            if seen is None or seen.statements != statements:
                self._in_use[connection] = _Seen(statements, self._looks)
            elif (self._looks - seen.look) * LOOK_EVERY >= STATEMENT_TIMEOUT:
                self._silent.add(connection)
                connection.terminate()

    def _tick(self) -> None:
        self.look()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_EVERY, self._tick) if self._in_use else None


class Borrowed:
    """A connection of a pool, for the time of a block; one that is left in an unknown state is replaced."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        if error is not None and is_left_unusable(error):
            connection.terminate()
        is_silent = self._pool.was_silent(connection)
        self._pool.give_back(connection)
        if is_silent and isinstance(error, Exception):
            raise TimeoutError(_SILENT) from error


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSE_TIMEOUT)
    except Exception:  # noqa: BLE001 - a server that does not confirm it is no failure
        connection.terminate()
