"""The session store: each change of a session is one statement."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from app.domain.events import Event, EventKind, by_owner
from app.domain.proofs import Proof
from app.domain.revocations import Ended
from app.domain.sessions import (
    REMEMBERED_GENERATIONS,
    ClientKind,
    RefreshToken,
    Rotation,
    Session,
    SessionGrant,
    SessionPolicy,
    SessionSummary,
)
from app.domain.visitors import Visitor
from app.storage.postgres.database import BATCH, PURGING, Database
from app.storage.postgres.events import COLUMNS, INSERT, as_json, event_from, log_events
from app.storage.postgres.session_ends import END, END_NEXT

MOST_LISTED = 100
"""How many sessions of an account are listed: those used last."""

# A grant names the key that signs at that moment, so no replica signs with a retired key.
_SIGNING_KID = """
(SELECT kid FROM signing_keys WHERE activated_at IS NOT NULL AND superseded_at IS NULL) AS signing_kid
"""

# The account's row is locked against the changes that end sessions. If the password was changed after the
# login verified it, or the account was disabled or deleted, there is no owner and nothing is inserted.
_OPEN = f"""
WITH owner AS (
    SELECT id, email, roles FROM accounts WHERE id = $2 AND enabled AND password_version = $3 FOR SHARE
), opened AS (
    INSERT INTO sessions
        (id, account_id, client, refresh_token_hash, amr, authenticated_at,
         created_at, refreshed_at, expires_at, address, user_agent)
    SELECT $1, owner.id, $4, $5, $6, coalesce($7, moment), moment, moment, moment + $8::interval, $9, $10
    FROM owner, clock_timestamp() AS moment
    RETURNING id, account_id, client, amr, authenticated_at, created_at, expires_at
), recorded AS (
    {INSERT} SELECT {COLUMNS} FROM {event_from("$11")} WHERE EXISTS (SELECT FROM opened)
)
SELECT opened.id, opened.account_id, opened.client, opened.amr, opened.authenticated_at,
    opened.created_at, opened.expires_at, owner.email, owner.roles, {_SIGNING_KID}
FROM opened, owner
"""  # noqa: S608 - the only things put in are constants of ours

# A failover may have lost generations, and with them the times at which they were superseded. That was not
# before the last refresh that the row still knows, so they get the time of that refresh.
_ROTATE = f"""
UPDATE sessions AS s SET
    generation = $3::bigint + 1,
    refresh_token_hash = $4,
    superseded_at = (ARRAY[clock_timestamp()]
        || array_fill(s.refreshed_at, ARRAY[least($3::bigint - s.generation, {REMEMBERED_GENERATIONS})::int])
        || s.superseded_at)[1:{REMEMBERED_GENERATIONS}],
    rotated_by = $9,
    refreshed_at = clock_timestamp(),
    address = $7,
    user_agent = $8
FROM accounts AS a
WHERE s.id = $1 AND s.refresh_token_hash = $2 AND s.client = $5 AND a.id = s.account_id
    AND s.revoked_at IS NULL
    AND s.expires_at > clock_timestamp() AND s.refreshed_at > clock_timestamp() - $6::interval
RETURNING s.id, s.account_id, s.client, s.amr, s.authenticated_at, s.created_at, s.expires_at, a.roles,
    {_SIGNING_KID}
"""  # noqa: S608 - the only thing put in is a constant of ours

_READ = f"""
SELECT s.id, s.account_id, s.client, s.amr, s.authenticated_at, s.created_at, s.expires_at, a.roles,
    s.generation, s.refresh_token_hash, s.superseded_at, s.rotated_by, s.refreshed_at, s.revoked_at,
    clock_timestamp() AS now, {_SIGNING_KID}
FROM sessions AS s JOIN accounts AS a ON a.id = s.account_id
WHERE s.id = $1
"""  # noqa: S608 - the only thing put in is a constant of ours

_LIST = f"""
SELECT id, client, created_at, refreshed_at AS last_used_at, address, user_agent FROM sessions
WHERE account_id = $1 AND revoked_at IS NULL
    AND expires_at > clock_timestamp() AND refreshed_at > clock_timestamp() - $2::interval
ORDER BY refreshed_at DESC, id LIMIT {MOST_LISTED}
"""  # noqa: S608 - the only thing put in is a constant of ours

# A row is kept until its session would have expired, so reuse is detected until then. It is kept for one more
# day, to tell an honest client that its session is over. Rows that another transaction locks are skipped.
_PURGE = f"""
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions
    WHERE (SELECT pg_try_advisory_xact_lock({PURGING})) AND expires_at < clock_timestamp() - interval '1 day'
    ORDER BY expires_at LIMIT {BATCH} FOR UPDATE SKIP LOCKED
)
RETURNING 1
"""  # noqa: S608 - the only thing put in is a constant of ours


class SessionStore:
    """Sessions in Postgres. All times come from the clock of the database, never from a replica."""

    def __init__(self, database: Database, policy: SessionPolicy, revocation_ttl: timedelta) -> None:
        """Take how long sessions live, and how long the revocations of ended ones are kept."""
        self._database = database
        self._policy = policy
        self._revocation_ttl = revocation_ttl

    async def open(
        self, token: RefreshToken, client: ClientKind, proof: Proof, visitor: Visitor
    ) -> tuple[SessionGrant, str] | None:
        """Open a session with its first refresh token; returns the grant and the account's e-mail address.

        It returns None and opens nothing if the account is disabled or deleted, or its password has changed.
        """
        event = by_owner(visitor, EventKind.LOGIN_SUCCEEDED, proof.account_id, token.session_id)
        event = event.with_details(client=client.value)
        row = await self._database.row(
            _OPEN,
            token.session_id,
            proof.account_id,
            proof.password_version,
            client.value,
            token.digest,
            proof.methods,
            proof.at,
            self._policy.absolute,
            visitor.address,
            visitor.user_agent,
            as_json(event),
        )
        if row is None:
            return None
        log_events(event)
        return _grant(row), row["email"]

    async def rotate(self, rotation: Rotation, visitor: Visitor) -> SessionGrant | None:
        """Replace the token if the row still keeps the hash ``expected``; None when it does not.

        None as well when the session is unknown, revoked or expired, or belongs to another kind of client.
        """
        presented = rotation.presented
        row = await self._database.row(
            _ROTATE,
            presented.token.session_id,
            rotation.expected,
            presented.token.generation,
            rotation.successor.digest,
            presented.client.value,
            self._policy.idle,
            visitor.address,
            visitor.user_agent,
            presented.mark,
        )
        return None if row is None else _grant(row)

    async def read(self, session_id: UUID) -> tuple[Session, datetime] | None:
        """The session and the time of the database when it was read; None when the session is unknown."""
        row = await self._database.row(_READ, session_id)
        if row is None:
            return None
        session = Session(
            grant=_grant(row),
            generation=row["generation"],
            refresh_token_hash=row["refresh_token_hash"],
            superseded_at=tuple(row["superseded_at"]),
            rotated_by=row["rotated_by"],
            refreshed_at=row["refreshed_at"],
            revoked_at=row["revoked_at"],
        )
        return session, row["now"]

    async def living(self, account_id: UUID) -> list[SessionSummary]:
        """The living sessions of an account, the most recently used first."""
        rows = await self._database.rows(_LIST, account_id, self._policy.idle)
        return [_summary(row) for row in rows]

    async def end(
        self, session_id: UUID, event: Event, token_ids: Sequence[str] = (), *, owner: UUID | None = None
    ) -> Ended:
        """Revoke the session with the access tokens that are named, and write the event, in one statement.

        Nothing ends when the session had ended before or has another ``owner``.
        """
        row = await self._database.row(
            END, session_id, self._revocation_ttl, token_ids, owner, as_json(event)
        )
        if row is None:
            return Ended()
        log_events(replace(event, account_id=row["account_id"], session_id=session_id))
        return Ended.of([session_id], token_ids)

    async def end_next(self, after: UUID, event: Event) -> tuple[Ended, UUID] | None:
        """Revoke a batch of living sessions in the order of their ids; returns them and the last id.

        One event covers the batch, with the number of sessions. None when no session is left.
        """
        rows = await self._database.rows(END_NEXT, after, self._revocation_ttl, as_json(event))
        if not rows:
            return None
        log_events(event.with_details(ended=len(rows)))
        return Ended.of(row["id"] for row in rows), max(UUID(row["id"]) for row in rows)

    async def purge(self) -> int:
        """Delete a batch of sessions that expired a day ago or earlier; returns their number."""
        return len(await self._database.rows(_PURGE))


def _grant(row: asyncpg.Record) -> SessionGrant:
    return SessionGrant(
        session_id=row["id"],
        account_id=row["account_id"],
        client=ClientKind(row["client"]),
        roles=tuple(row["roles"]),
        amr=tuple(row["amr"]),
        # A session that a release before the schema 0003 opened has no moment of its own.
        authenticated_at=row["authenticated_at"] or row["created_at"],
        expires_at=row["expires_at"],
        signing_kid=row["signing_kid"],
    )


def _summary(row: asyncpg.Record) -> SessionSummary:
    return SessionSummary(
        id=row["id"],
        client=ClientKind(row["client"]),
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        address=row["address"],
        user_agent=row["user_agent"],
    )
