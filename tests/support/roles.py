"""Roles of Postgres with few rights."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from sqlalchemy import make_url

from app.storage.postgres.probe import RIGHTS
from tests.support.database import Sql, connect


class Role:
    """A role that may log in, and the connection of the tables' owner."""

    def __init__(self, owner: Sql, url: str) -> None:
        self.owner = owner
        self.name = f"role_{uuid4().hex}"
        self.url = make_url(url).set(username=self.name).render_as_string(hide_password=False)

    async def grant(self, right: str, table: str) -> None:
        await self.owner.execute(f"GRANT {right} ON {_kind(right)} {table} TO {self.name}")

    async def revoke(self, right: str, table: str) -> None:
        await self.owner.execute(f"REVOKE {right} ON {_kind(right)} {table} FROM {self.name}")


def _kind(right: str) -> str:
    return {"USAGE": "SEQUENCE", "EXECUTE": "FUNCTION"}.get(right, "TABLE")


@asynccontextmanager
async def role(url: str, rights: Mapping[str, Sequence[str]] = RIGHTS) -> AsyncIterator[Role]:
    """A role with these rights on each table of a database."""
    owner = await connect(url)
    role = Role(owner, url)
    await owner.execute(f"CREATE ROLE {role.name} LOGIN")
    # Else every role may call it, and a grant or its absence changes nothing.
    await owner.execute("REVOKE EXECUTE ON FUNCTION session_status(bigint) FROM PUBLIC")
    try:
        for table, granted in rights.items():
            await role.grant(", ".join(granted), table)
        yield role
    finally:
        await owner.execute(f"DROP OWNED BY {role.name}")
        await owner.execute(f"DROP ROLE {role.name}")
        await owner.close()
