"""The two ways to use Postgres: a statement, or a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import asyncpg

from app.storage.outages import ReadAgain
from app.storage.postgres.connections import Connection, Connector
from app.storage.postgres.outages import GRANT, Misconfigured, is_left_unusable, translate
from app.storage.postgres.parameters import ISOLATION
from app.storage.postgres.pool import Pool
from app.storage.postgres.poolers import is_pooled
from app.storage.postgres.probe import COLUMNS, PROBE

BATCH = 1000
"""How many rows one statement ends or deletes, where there may be millions."""
_DESCRIBE = f"""
SELECT current_setting('server_version_num')::int / 10000 AS version,
    current_setting('synchronous_commit') <> 'off' AS waits_for_commits,
    current_setting('fsync')::bool AS writes_through,
    (SELECT bool_or(pg_has_role(relowner, 'MEMBER')) FROM pg_class
        WHERE oid = ANY('{{{",".join(COLUMNS)}}}'::regclass[])) AS owns_tables,
    (SELECT bool_or(has_schema_privilege(oid, schema, 'CREATE')) FROM pg_roles
        WHERE pg_has_role(oid, 'MEMBER')) AS creates_tables,
    clock_timestamp() AS now
FROM (SELECT relnamespace AS schema FROM pg_class WHERE oid = 'accounts'::regclass) AS ours
"""  # noqa: S608 - the only things put in are constants of ours
"""What the role may do counts also where it has to SET ROLE first."""


class ServerFacts(NamedTuple):
    """What the server says of itself and of the role, and how it is reached."""

    version: int
    waits_for_commits: bool
    writes_through: bool
    owns_tables: bool
    creates_tables: bool
    is_pooled: bool
    now: datetime


def open_database(
    url: str, *, pool_size: int, through_pooler: bool | None = None, read_again: ReadAgain = lambda: None
) -> "Database":
    """A database that connects at its first use, with at most ``pool_size`` connections.

    ValueError when the URL cannot be used; ``Connector`` says what the arguments mean.
    """
    connector = Connector(url, through_pooler=through_pooler, read_again=read_again)
    return Database(Pool(connector.connect, pool_size))


class Database:
    """Runs the statements of all stores; every outage becomes the refusal ``unavailable``."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()

    async def row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        """The first row of one statement, committed by itself."""
        found = await self.rows(statement, *arguments)
        return found[0] if found else None

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """All rows of one statement, committed by itself."""
        try:
            async with self.pool.connection() as connection:
                return await connection.fetch(statement, *arguments)
        except Exception as error:
            translate(error)
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a READ COMMITTED transaction; an exception rolls it back."""
        try:
            async with self.pool.connection() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    yield connection
                except BaseException as error:
                    # A connection in an unknown state is closed, and Postgres rolls back.
                    if not is_left_unusable(error):
                        await transaction.rollback()
                    raise
                await transaction.commit()
        except Exception as error:
            translate(error)
            raise

    async def ping(self) -> datetime:
        """Return the time of Postgres; raises when it does not answer, or requests would fail there.

        Misconfigured names what is missing: a column of this release, a right, the isolation.
        """
        (row,) = await self.rows(PROBE)
        if row["missing"]:
            raise Misconfigured(
                f"AUTH_DATABASE_URL: the role {row['role']} lacks rights: {', '.join(row['missing'])}", GRANT
            )
        if row["isolation"].upper() != ISOLATION:
            raise Misconfigured(
                f"AUTH_DATABASE_URL: statements run as {row['isolation'].upper()} instead of {ISOLATION}",
                "if a pooler answers, set AUTH_DATABASE_POOLER=on",
            )
        now: datetime = row["now"]
        return now

    async def describe(self) -> ServerFacts:
        """The facts about the server that decide whether data is safe there; the tables must exist."""
        async with self.transaction() as connection:
            (row,) = await connection.fetch(_DESCRIBE)
            is_reached_by_pooler = is_pooled(connection)
        return ServerFacts(
            version=row["version"],
            waits_for_commits=row["waits_for_commits"],
            writes_through=row["writes_through"],
            owns_tables=row["owns_tables"],
            creates_tables=row["creates_tables"],
            is_pooled=is_reached_by_pooler,
            now=row["now"],
        )
