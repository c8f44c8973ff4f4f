"""The account store: look-ups for the hot paths, changes that end sessions in one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import Column, Select, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.accounts import Account
from app.domain.events import Event
from app.storage.postgres.database import Database
from app.storage.postgres.events import record, tell
from app.storage.postgres.session_ends import END_ALL
from app.storage.postgres.tables import accounts

_T = TypeVar("_T")

_COLUMNS = "id, email, roles, enabled, created_at, password_hash, password_version"
_BY_EMAIL = f"SELECT {_COLUMNS} FROM accounts WHERE email = $1"  # noqa: S608 - constants of ours
_OF_SESSION = """
SELECT a.* FROM accounts AS a JOIN sessions AS s ON s.account_id = a.id
WHERE a.id = $1 AND a.enabled AND s.id = $2 AND s.revoked_at IS NULL
    AND NOT EXISTS (SELECT FROM revocations WHERE id = ANY($3) AND expires_at > clock_timestamp())
"""
_ALL = f"SELECT {_COLUMNS} FROM accounts ORDER BY email"  # noqa: S608 - constants of ours
_REHASH = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2"


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

    async def add(
        self, account_id: UUID, email: str, password_hash: str, roles: Sequence[str], event: Event
    ) -> bool:
        """Add an account; False when the address is taken."""
        statement = insert(accounts).values(
            id=account_id, email=email, password_hash=password_hash, roles=list(roles)
        )
        try:
            async with self._database.transaction() as connection:
                await connection.execute(statement)
                await record(connection, event)
        except IntegrityError:
            return False
        return True

    async def rehash(self, account_id: UUID, old_hash: str, new_hash: str) -> None:
        """Replace the hash of an unchanged password; a password changed meanwhile stays as it is."""
        await self._database.row(_REHASH, account_id, old_hash, new_hash)

    async def enable(self, account_id: UUID, event: Event) -> bool:
        """Let the account sign in again; False when it could already, or there is no such account."""
        change = _change(account_id, enabled=True).where(~accounts.c.enabled)
        async with self._database.transaction() as connection:
            changed = (await connection.execute(change)).rowcount == 1
            if changed:
                await record(connection, event)
        return changed

    async def disable(self, account_id: UUID, blacklisted_for: timedelta, event: Event) -> list[str]:
        """Disable the account and end its sessions; answers the ids of the sessions that ended."""
        async with self._database.transaction() as connection:
            was_enabled = await connection.scalar(_locked(accounts.c.enabled, account_id))
            await connection.execute(_change(account_id, enabled=False))
            return await _end_sessions(
                connection, account_id, blacklisted_for, event, changed=bool(was_enabled)
            )

    async def set_password(
        self, account_id: UUID, password_hash: str, blacklisted_for: timedelta, event: Event
    ) -> list[str]:
        """Change the password and end the account's sessions; answers the ids of those that ended."""
        change = _change(
            account_id, password_hash=password_hash, password_version=accounts.c.password_version + 1
        )
        async with self._database.transaction() as connection:
            changed = (await connection.execute(change)).rowcount == 1
            return await _end_sessions(connection, account_id, blacklisted_for, event, changed=changed)

    async def change_password(
        self,
        account_id: UUID,
        password_version: int,
        password_hash: str,
        blacklisted_for: timedelta,
        event: Event,
    ) -> list[str] | None:
        """As ``set_password``, if the account is enabled and the password of this version; else None."""
        locked = _locked(accounts.c.password_version, account_id).where(accounts.c.enabled)
        async with self._database.transaction() as connection:
            if await connection.scalar(locked) != password_version:
                return None
            change = _change(account_id, password_hash=password_hash, password_version=password_version + 1)
            await connection.execute(change)
            ended = await _end_sessions(connection, account_id, blacklisted_for, event, changed=True)
        tell(event.with_details(ended=len(ended)))
        return ended

    async def set_roles(
        self, account_id: UUID, roles: Sequence[str], blacklisted_for: timedelta, event: Event
    ) -> list[str]:
        """Replace the roles; a role taken away ends the account's sessions, whose ids are answered."""
        async with self._database.transaction() as connection:
            held = await connection.scalar(_locked(accounts.c.roles, account_id))
            if held is None or set(held) == set(roles):
                return []
            await connection.execute(_change(account_id, roles=list(roles)))
            event = event.with_details(before=" ".join(held))
            if set(held) <= set(roles):
                await record(connection, event)
                return []
            return await _end_sessions(connection, account_id, blacklisted_for, event, changed=True)

    async def delete(self, account_id: UUID, blacklisted_for: timedelta, event: Event) -> list[str]:
        """Delete the account with its sessions; answers the ids of those that ended."""
        async with self._database.transaction() as connection:
            found = (await connection.execute(_change(account_id, enabled=False))).rowcount == 1
            ended = await _end_sessions(connection, account_id, blacklisted_for, event, changed=found)
            await connection.execute(delete(accounts).where(accounts.c.id == account_id))
        return ended

    async def end_sessions(
        self, account_id: UUID, blacklisted_for: timedelta, event: Event, *, if_lives: UUID | None = None
    ) -> list[str]:
        """End every session of the account; answers the ids of those that ended.

        None ends unless this one lives, where one is named.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_locked(accounts.c.id, account_id))
            ended = await _end_sessions(
                connection, account_id, blacklisted_for, event, changed=False, if_lives=if_lives
            )
        if ended:
            tell(event.with_details(ended=len(ended)))
        return ended


def _locked(column: Column[_T], account_id: UUID) -> Select[_T]:
    """A column of the account, whose row is then held: a login in flight, too, comes before or after."""
    return select(column).where(accounts.c.id == account_id).with_for_update()


def _change(account_id: UUID, **values: Any) -> Update:  # noqa: ANN401 - columns have many types
    return update(accounts).where(accounts.c.id == account_id).values(**values)


async def _end_sessions(
    connection: AsyncConnection,
    account_id: UUID,
    blacklisted_for: timedelta,
    event: Event,
    *,
    changed: bool,
    if_lives: UUID | None = None,
) -> list[str]:
    """End the sessions, and record the event with their number, unless nothing changed and none ended.

    The account is changed or locked before: a login in flight holds its row, so that its session is seen.
    """
    arguments = {"account_id": account_id, "blacklisted_for": blacklisted_for, "if_lives": if_lives}
    ended = list(await connection.scalars(END_ALL, arguments))
    if changed or ended:
        await record(connection, event.with_details(ended=len(ended)))
    return ended


def _account(row: asyncpg.Record) -> Account:
    return Account(**{**row, "roles": tuple(row["roles"])})
