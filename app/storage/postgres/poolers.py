"""Connections through a pooler such as PgBouncer, which keeps no session for a client.

In its transaction mode, two transactions of one client may run on two sessions of Postgres. So a client
leaves nothing in a session: it sets no parameter at the start, it keeps no statement prepared, and each
transaction sets its own limits. A single statement becomes a transaction for that.
"""

from typing import Any, Self

import asyncpg

from app.storage.postgres.parameters import ISOLATION, LIMITS


class PooledConnection(asyncpg.Connection):
    """A connection that leaves nothing in the session of Postgres."""

    limits: str = "".join(f"; SET LOCAL {name} = {value}" for name, value in LIMITS.items())

    def transaction(self, **_: object) -> Any:  # noqa: ANN401 - SQLAlchemy uses three methods of it
        """A READ COMMITTED transaction with the limits."""
        return _Transaction(self)

    async def fetch(self, query: str, *args: object, **options: Any) -> list[asyncpg.Record]:  # type: ignore[override]  # noqa: ANN401 - asyncpg's
        """Run a query and return its rows, in a transaction of its own unless there is one."""
        if self.is_in_transaction():
            return await super().fetch(query, *args, **options)
        async with self.transaction():
            return await super().fetch(query, *args, **options)

    async def prepare(self, query: str, **options: Any) -> Any:  # noqa: ANN401 - asyncpg's
        """Prepare a statement without a name, which lives until the next one."""
        return await super().prepare(query, **options | {"name": ""})


class UnlimitedConnection(PooledConnection):
    """The same for migrations, which may take their time."""

    limits = ""


def is_pooled(connection: object) -> bool:
    """Whether a connection goes through a pooler."""
    # To asyncpg's ``isinstance``, each connection is an instance of every class of connections.
    return issubclass(type(connection), PooledConnection)


class _Transaction:
    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection

    async def start(self) -> None:
        await self._connection.execute(f"BEGIN ISOLATION LEVEL {ISOLATION}{self._connection.limits}")

    async def commit(self) -> None:
        await self._connection.execute("COMMIT")

    async def rollback(self) -> None:
        await self._connection.execute("ROLLBACK")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._connection.is_closed():
            return
        if kind is None:
            await self.commit()
        else:
            await self.rollback()
