"""What is sent to the servers in the meantime."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from app.storage.postgres.database import Database
from app.storage.redis.connection import SingleServer


@dataclass
class Sent:
    """Statements that are committed by themselves, transactions, and scripts."""

    statements: list[str] = field(default_factory=list)
    transactions: int = 0
    scripts: list[str] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.statements), self.transactions, len(self.scripts)


@contextmanager
def sent() -> Iterator[Sent]:
    """Everything that this process sends to Postgres and to a single Redis."""
    found = Sent()
    rows, transaction, run = Database.rows, Database.transaction, SingleServer.eval

    async def noted_rows(database: Database, statement: str, *arguments: object) -> list[asyncpg.Record]:
        found.statements.append(statement)
        return await rows(database, statement, *arguments)

    def noted_transaction(database: Database) -> Any:
        found.transactions += 1
        return transaction(database)

    async def noted_script(server: SingleServer, script: str, *arguments: Any) -> Any:
        found.scripts.append(script)
        return await run(server, script, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "rows", noted_rows)
        patch.setattr(Database, "transaction", noted_transaction)
        patch.setattr(SingleServer, "eval", noted_script)
        yield found
