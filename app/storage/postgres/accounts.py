"""The account store: look-ups for the hot paths, and changes that end sessions in the same transaction."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.domain.accounts import Account, legacy_spelling
from app.domain.events import Event
from app.domain.revocations import Ended
from app.storage.postgres.database import BATCH, Database
from app.storage.postgres.events import log_events, record
from app.storage.postgres.session_ends import end_of_account

_COLUMNS = "id, email, roles, enabled, created_at, password_hash, password_version"
_BY_EMAIL = f"SELECT {_COLUMNS} FROM accounts WHERE email = $1"  # noqa: S608 - constants of ours
_BY_SPELLINGS = f"""
SELECT {_COLUMNS} FROM accounts WHERE email IN ($1, $2) ORDER BY email = $1 DESC LIMIT 1
"""  # noqa: S608 - constants of ours
_BY_ID = f"SELECT {_COLUMNS} FROM accounts WHERE id = $1"  # noqa: S608 - constants of ours
_OF_SESSION = f"""
SELECT {_COLUMNS} FROM accounts AS a
WHERE id = $1 AND enabled
    AND EXISTS (
        SELECT FROM sessions AS s
        WHERE s.id = $2 AND s.account_id = $1 AND s.revoked_at IS NULL AND s.created_at > a.sessions_ended_at
    )
    AND NOT EXISTS (
        SELECT FROM revocations AS r WHERE r.id = ANY($3) AND r.expires_at > statement_timestamp()
    )
"""  # noqa: S608 - constants of ours
# These operators compare bytes, in the order of the index, and do not depend on the database's collation.
PAGE = f"""
SELECT {_COLUMNS} FROM accounts
WHERE email ~>=~ $1::text AND email ~<~ ($1::text || chr(1114111)) AND email ~>~ $2::text
ORDER BY email USING ~<~ LIMIT $3
"""  # noqa: S608 - constants of ours
"""A page of accounts whose addresses begin with the first argument and follow the second."""
# Ids are random, so the first accounts by id are a sample: the same one for all replicas and at all times.
_SAMPLE = 10_000
_COSTS = r"""
SELECT cost, count(*) AS number FROM (
    SELECT substring(password_hash FROM '^\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$') AS cost
    FROM accounts ORDER BY id LIMIT $1
) AS sample WHERE cost IS NOT NULL GROUP BY cost
"""
_HASHES = f"SELECT id, password_hash FROM accounts WHERE id > $1 ORDER BY id LIMIT {BATCH}"  # noqa: S608 - as above
# Almost every address is plain, in lower case, and too short for a label of 64 letters (RFC 1035 section
# 2.3.4 allows 63): it needs no second look.
_UNUSUAL = r"""
WITH batch AS (SELECT id, email FROM accounts WHERE id > $1 ORDER BY id LIMIT $2)
SELECT last.id AS last, unusual.id, unusual.email
FROM (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last
LEFT JOIN (
    SELECT id, email FROM batch
    WHERE length(email) > 65 OR email COLLATE "C"
        !~ '^[!-?[-~]{1,64}@[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$'
) AS unusual ON true
"""
_ADD = """
INSERT INTO accounts (id, email, password_hash, roles) VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO NOTHING RETURNING 1
"""
# The account's row stays locked: a login in flight comes before or after.
_LOCK = "SELECT enabled, password_version, roles FROM accounts WHERE id = $1 FOR UPDATE"
_ENABLE = "UPDATE accounts SET enabled = true WHERE id = $1 AND NOT enabled RETURNING 1"
_DISABLE = "UPDATE accounts SET enabled = false WHERE id = $1 RETURNING 1"
_SET_PASSWORD = """
UPDATE accounts SET password_hash = $2, password_version = password_version + 1 WHERE id = $1
RETURNING password_version
"""
_SET_ROLES = "UPDATE accounts SET roles = $2 WHERE id = $1"
_DELETE = "DELETE FROM accounts WHERE id = $1"
_REHASH = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2"


class AccountStore:
    """Accounts in Postgres. E-mail addresses are given in their normalised spelling."""

    def __init__(self, database: Database, revocation_ttl: timedelta) -> None:
        """Take how long the revocations of ended sessions are kept."""
        self._database = database
        self._revocation_ttl = revocation_ttl

    async def by_email(self, email: str) -> Account | None:
        """The account with this e-mail address, or None."""
        other = legacy_spelling(email)
        if other is None:
            row = await self._database.row(_BY_EMAIL, email)
        else:
            # One statement, so response time does not tell whether the first spelling was found.
            row = await self._database.row(_BY_SPELLINGS, email, other)
        return None if row is None else _account(row)

    async def by_id(self, account_id: UUID) -> Account | None:
        """The account with this id, or None."""
        row = await self._database.row(_BY_ID, account_id)
        return None if row is None else _account(row)

    async def of_session(
        self, account_id: UUID, session_id: UUID, revocable: Sequence[str]
    ) -> Account | None:
        """The account, if it is enabled and has this session, and neither that nor an id is revoked."""
        row = await self._database.row(_OF_SESSION, account_id, session_id, revocable)
        return None if row is None else _account(row)

    async def page(self, prefix: str, after: str, size: int) -> list[Account]:
        """The next accounts whose addresses begin with ``prefix``, in the order of their bytes."""
        return [_account(row) for row in await self._database.rows(PAGE, prefix, after, size)]

    async def hash_costs(self) -> dict[str, int]:
        """How many hashes of a sample of accounts have each cost, by how an Argon2id hash begins."""
        return {row["cost"]: row["number"] for row in await self._database.rows(_COSTS, _SAMPLE)}

    async def add(
        self, account_id: UUID, email: str, password_hash: str, roles: Sequence[str], event: Event
    ) -> bool:
        """Add an account; False when another one has this e-mail address."""
        async with self._database.transaction() as connection:
            added = await connection.fetch(_ADD, account_id, email, password_hash, list(roles))
            if added:
                await record(connection, event)
        return bool(added)

    async def hashes(self, after: UUID) -> list[tuple[UUID, str]]:
        """The next batch of accounts after this id, in the order of the ids: id and password hash."""
        return [(row["id"], row["password_hash"]) for row in await self._database.rows(_HASHES, after)]

    async def unusual(self, after: UUID, size: int) -> tuple[UUID | None, list[tuple[UUID, str]]]:
        """Of the next accounts after this id, the last id, and those whose address may be malformed."""
        rows = await self._database.rows(_UNUSUAL, after, size)
        found = [(row["id"], row["email"]) for row in rows if row["id"] is not None]
        return (rows[0]["last"] if rows else None), found

    async def rehash(self, account_id: UUID, old_hash: str, new_hash: str) -> None:
        """Replace the hash, unless the password was changed in the meantime."""
        await self._database.row(_REHASH, account_id, old_hash, new_hash)

    async def enable(self, account_id: UUID, event: Event) -> bool:
        """Let the account sign in again; False when it is enabled already or unknown."""
        async with self._database.transaction() as connection:
            changed = await connection.fetch(_ENABLE, account_id)
            if changed:
                await record(connection, event)
        return bool(changed)

    async def disable(self, account_id: UUID, event: Event) -> Ended:
        """Disable the account and end its sessions."""
        async with self._database.transaction() as connection:
            locked = await connection.fetchrow(_LOCK, account_id)
            await connection.fetch(_DISABLE, account_id)
            changed = locked is not None and locked["enabled"]
            return await end_of_account(connection, account_id, event, self._revocation_ttl, changed=changed)

    async def set_password(self, account_id: UUID, password_hash: str, event: Event) -> Ended:
        """Change the password and end the account's sessions."""
        async with self._database.transaction() as connection:
            changed = bool(await connection.fetch(_SET_PASSWORD, account_id, password_hash))
            return await end_of_account(connection, account_id, event, self._revocation_ttl, changed=changed)

    async def change_password(
        self,
        account_id: UUID,
        password_version: int,
        password_hash: str,
        event: Event,
    ) -> tuple[Ended, int] | None:
        """As ``set_password``, with the new password version.

        None, and nothing done, unless the account is enabled and still has this password version.
        """
        async with self._database.transaction() as connection:
            locked = await connection.fetchrow(_LOCK, account_id)
            if locked is None or not locked["enabled"] or locked["password_version"] != password_version:
                return None
            version: int = await connection.fetchval(_SET_PASSWORD, account_id, password_hash)
            ended = await end_of_account(connection, account_id, event, self._revocation_ttl, changed=True)
        log_events(event.with_details(ended=ended.sessions))
        return ended, version

    async def set_roles(self, account_id: UUID, roles: Sequence[str], event: Event) -> Ended:
        """Replace the roles; a role taken away ends the account's sessions."""
        async with self._database.transaction() as connection:
            locked = await connection.fetchrow(_LOCK, account_id)
            held = list(roles) if locked is None else locked["roles"]
            if set(held) == set(roles):
                return Ended()
            await connection.fetch(_SET_ROLES, account_id, list(roles))
            event = event.with_details(before=" ".join(held))
            if set(held) <= set(roles):
                await record(connection, event)
                return Ended()
            return await end_of_account(connection, account_id, event, self._revocation_ttl, changed=True)

    async def delete(self, account_id: UUID, event: Event) -> Ended:
        """Delete the account and end its sessions. The rows of very many have to be deleted before."""
        async with self._database.transaction() as connection:
            found = bool(await connection.fetch(_DISABLE, account_id))
            ended = await end_of_account(connection, account_id, event, self._revocation_ttl, changed=found)
            await connection.fetch(_DELETE, account_id)
        return ended

    async def end_sessions(self, account_id: UUID, event: Event, *, if_lives: UUID | None = None) -> Ended:
        """End every session of the account; with ``if_lives`` only while that session lives."""
        async with self._database.transaction() as connection:
            await connection.fetch(_LOCK, account_id)
            ended = await end_of_account(
                connection, account_id, event, self._revocation_ttl, changed=False, if_lives=if_lives
            )
        if ended.sessions:
            log_events(event.with_details(ended=ended.sessions))
        return ended


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        email=row["email"],
        roles=tuple(row["roles"]),
        enabled=row["enabled"],
        created_at=row["created_at"],
        password_hash=row["password_hash"],
        password_version=row["password_version"],
    )
