"""The account store: look-ups for the hot paths, changes that end sessions in one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Update, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.accounts import Account
from app.storage.postgres.database import Database
from app.storage.postgres.tables import accounts

_COLUMNS = "id, email, roles, enabled, created_at, password_hash, password_version"
_BY_EMAIL = f"SELECT {_COLUMNS} FROM accounts WHERE email = $1"  # noqa: S608 - constants of ours
_OF_SESSION = """
SELECT a.* FROM accounts AS a JOIN sessions AS s ON s.account_id = a.id
WHERE a.id = $1 AND a.enabled AND s.id = $2 AND s.revoked_at IS NULL
    AND NOT EXISTS (SELECT FROM revocations WHERE id = ANY($3) AND expires_at > clock_timestamp())
"""
_ALL = f"SELECT {_COLUMNS} FROM accounts ORDER BY email"  # noqa: S608 - constants of ours
_REHASH = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2"

_END_SESSIONS = text("""
WITH living AS (
    SELECT id FROM sessions WHERE account_id = :account_id AND revoked_at IS NULL ORDER BY id FOR UPDATE
), ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp() FROM living WHERE sessions.id = living.id
    RETURNING sessions.id
)
INSERT INTO revocations (id, expires_at) SELECT id::text, clock_timestamp() + :blacklisted_for FROM ended
ON CONFLICT (id) DO NOTHING RETURNING id
""")


class AccountStore:
    """Accounts in Postgres; an address is looked up in its normalised spelling."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_email(self, email: str) -> Account | None:
        """The account with this normalised address."""
        row = await self._database.row(_BY_EMAIL, email)
        return None if row is None else _account(row)

    async def of_session(
        self, account_id: UUID, session_id: UUID, revocable: Sequence[str]
    ) -> Account | None:
        """The enabled account whose session this is, unless that or one of the ids was revoked."""
        row = await self._database.row(_OF_SESSION, account_id, session_id, revocable)
        return None if row is None else _account(row)

    async def all(self) -> list[Account]:
        """Every account, by address."""
        return [_account(row) for row in await self._database.rows(_ALL)]

    async def add(self, account_id: UUID, email: str, password_hash: str, roles: Sequence[str]) -> bool:
        """Add an account; False when the address is taken."""
        statement = insert(accounts).values(
            id=account_id, email=email, password_hash=password_hash, roles=list(roles)
        )
        try:
            async with self._database.transaction() as connection:
                await connection.execute(statement)
        except IntegrityError:
            return False
        return True

    async def rehash(self, account_id: UUID, old_hash: str, new_hash: str) -> None:
        """Replace the hash of an unchanged password; a password changed meanwhile stays as it is."""
        await self._database.row(_REHASH, account_id, old_hash, new_hash)

    async def enable(self, account_id: UUID) -> bool:
        """Let the account sign in again; False when there is no such account."""
        async with self._database.transaction() as connection:
            result = await connection.execute(_change(account_id, enabled=True))
        return result.rowcount == 1

    async def disable(self, account_id: UUID, blacklisted_for: timedelta) -> list[str]:
        """Disable the account and end its sessions; answers the ids of the sessions that ended."""
        return await self._end_with(_change(account_id, enabled=False), account_id, blacklisted_for)

    async def set_password(
        self, account_id: UUID, password_hash: str, blacklisted_for: timedelta
    ) -> list[str]:
        """Change the password and end the account's sessions; answers the ids of those that ended."""
        change = _change(
            account_id, password_hash=password_hash, password_version=accounts.c.password_version + 1
        )
        return await self._end_with(change, account_id, blacklisted_for)

    async def change_password(
        self, account_id: UUID, password_version: int, password_hash: str, blacklisted_for: timedelta
    ) -> list[str] | None:
        """As ``set_password``, if the account is enabled and the password of this version; else None."""
        is_enabled = (accounts.c.id == account_id) & accounts.c.enabled
        locked = select(accounts.c.password_version).where(is_enabled).with_for_update()
        async with self._database.transaction() as connection:
            if await connection.scalar(locked) != password_version:
                return None
            change = _change(account_id, password_hash=password_hash, password_version=password_version + 1)
            await connection.execute(change)
            return await _end_sessions(connection, account_id, blacklisted_for)

    async def set_roles(
        self, account_id: UUID, roles: Sequence[str], blacklisted_for: timedelta
    ) -> list[str]:
        """Replace the roles; a role taken away ends the account's sessions, whose ids are answered."""
        locked = select(accounts.c.roles).where(accounts.c.id == account_id).with_for_update()
        async with self._database.transaction() as connection:
            held = await connection.scalar(locked)
            await connection.execute(_change(account_id, roles=list(roles)))
            if held is None or set(held) <= set(roles):
                return []
            return await _end_sessions(connection, account_id, blacklisted_for)

    async def delete(self, account_id: UUID, blacklisted_for: timedelta) -> list[str]:
        """Delete the account with its sessions; answers the ids of those that ended."""
        async with self._database.transaction() as connection:
            await connection.execute(_change(account_id, enabled=False))
            ended = await _end_sessions(connection, account_id, blacklisted_for)
            await connection.execute(delete(accounts).where(accounts.c.id == account_id))
        return ended

    async def end_sessions(self, account_id: UUID, blacklisted_for: timedelta) -> list[str]:
        """End every session of the account; answers the ids of those that ended."""
        locked = select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()
        async with self._database.transaction() as connection:
            await connection.execute(locked)
            return await _end_sessions(connection, account_id, blacklisted_for)

    async def _end_with(self, change: Update, account_id: UUID, blacklisted_for: timedelta) -> list[str]:
        # The account first: a login in flight holds its row, so that its session is seen below.
        async with self._database.transaction() as connection:
            await connection.execute(change)
            return await _end_sessions(connection, account_id, blacklisted_for)


def _change(account_id: UUID, **values: Any) -> Update:  # noqa: ANN401 - columns have many types
    return update(accounts).where(accounts.c.id == account_id).values(**values)


async def _end_sessions(
    connection: AsyncConnection, account_id: UUID, blacklisted_for: timedelta
) -> list[str]:
    arguments = {"account_id": account_id, "blacklisted_for": blacklisted_for}
    return list(await connection.scalars(_END_SESSIONS, arguments))


def _account(row: asyncpg.Record) -> Account:
    return Account(**{**row, "roles": tuple(row["roles"])})
