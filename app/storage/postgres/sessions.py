"""The session store: each change of a session is one statement."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from app.domain.events import Event
from app.domain.revocations import Ended, Rest
from app.domain.sessions import (
    MOST_SESSIONS,
    REMEMBERED_GENERATIONS,
    ClientKind,
    Rotation,
    Session,
    SessionGrant,
    SessionPolicy,
    SessionSummary,
)
from app.domain.visitors import Visitor
from app.storage.postgres.database import BATCH, Database
from app.storage.postgres.events import as_json, log_events
from app.storage.postgres.purges import deletion, purge
from app.storage.postgres.session_ends import END, END_NEXT, END_NEXT_OF_ACCOUNT

# A grant names the key that signs at that moment, so no replica signs with a retired key.
SIGNING_KID = """
(SELECT kid FROM signing_keys WHERE activated_at IS NOT NULL AND superseded_at IS NULL) AS signing_kid
"""

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
    user_agent = $8,
    status = coalesce(s.status, session_status(nextval('session_numbers')))
FROM accounts AS a
WHERE s.id = $1 AND s.refresh_token_hash = $2 AND s.client = $5 AND a.id = s.account_id AND a.enabled
    AND s.revoked_at IS NULL AND s.created_at > a.sessions_ended_at
    AND s.expires_at > clock_timestamp() AND s.refreshed_at > clock_timestamp() - $6::interval
RETURNING s.id, s.account_id, s.client, s.amr, s.authenticated_at, s.created_at, s.expires_at,
    s.status, a.roles, {SIGNING_KID}
"""  # noqa: S608 - the only thing put in is a constant of ours

_READ = f"""
SELECT s.id, s.account_id, s.client, s.amr, s.authenticated_at, s.created_at, s.expires_at, s.status, a.roles,
    s.generation, s.refresh_token_hash, s.superseded_at, s.rotated_by, s.refreshed_at, s.revoked_at,
    NOT a.enabled OR s.created_at <= a.sessions_ended_at AS is_barred, clock_timestamp() AS now, {SIGNING_KID}
FROM sessions AS s JOIN accounts AS a ON a.id = s.account_id
WHERE s.id = $1
"""  # noqa: S608 - the only thing put in is a constant of ours

_LIST = f"""
SELECT id, client, created_at, refreshed_at AS last_used_at, address, user_agent FROM sessions
WHERE account_id = $1 AND revoked_at IS NULL
    AND created_at > (SELECT sessions_ended_at FROM accounts WHERE id = $1)
    AND expires_at > statement_timestamp() AND refreshed_at > statement_timestamp() - $2::interval
ORDER BY refreshed_at DESC, id LIMIT {MOST_SESSIONS}
"""  # noqa: S608 - the only thing put in is a constant of ours

# For an account that is to be deleted.
_FORGET = f"""
DELETE FROM sessions WHERE id = ANY(ARRAY(
    SELECT id FROM sessions WHERE account_id = $1 AND revoked_at IS NOT NULL LIMIT {BATCH} FOR UPDATE
))
RETURNING 1
"""  # noqa: S608 - the only thing put in is a constant of ours

# A row is kept until its session would have expired, so reuse is detected until then. It is kept for one more
# day, to tell an honest client that its session is over.
_KEPT = timedelta(days=1)
_PURGE = deletion("sessions", "expires_at")


class SessionStore:
    """Sessions in Postgres. All times come from the clock of the database, never from a replica."""

    def __init__(self, database: Database, policy: SessionPolicy, revocation_ttl: timedelta) -> None:
        """Take how long sessions live, and how long the revocations of ended ones are kept."""
        self._database = database
        self._policy = policy
        self._revocation_ttl = revocation_ttl

    async def rotate(self, rotation: Rotation, visitor: Visitor) -> SessionGrant | None:
        """Replace the token if the row still keeps the hash ``expected``; None when it does not.

        None as well when the session is unknown, has ended or expired, or belongs to another kind of client,
        and when the account is disabled.
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
        return None if row is None else grant_of(row)

    async def read(self, session_id: UUID) -> tuple[Session, datetime] | None:
        """The session and the time of the database when it was read; None when the session is unknown."""
        row = await self._database.row(_READ, session_id)
        if row is None:
            return None
        session = Session(
            grant=grant_of(row),
            generation=row["generation"],
            refresh_token_hash=row["refresh_token_hash"],
            superseded_at=tuple(row["superseded_at"]),
            rotated_by=row["rotated_by"],
            refreshed_at=row["refreshed_at"],
            revoked_at=row["revoked_at"],
            is_barred=row["is_barred"],
        )
        return session, row["now"]

    async def living(self, account_id: UUID) -> list[SessionSummary]:
        """The living sessions of an account, the most recently used first."""
        rows = await self._database.rows(_LIST, account_id, self._policy.idle)
        return [_summary(row) for row in rows]

    async def end(
        self,
        session_id: UUID,
        event: Event,
        token_ids: Sequence[str] = (),
        *,
        owner: UUID | None = None,
        digest: bytes | None = None,
        unless_revoked: Sequence[str] = (),
    ) -> Ended | None:
        """Revoke the session with the access tokens that are named, and write the event, in one statement.

        Nothing ends when the session had ended before, has another ``owner``, or has another current refresh
        token than the one with this ``digest``. None, and nothing done, when one of ``unless_revoked`` is
        revoked. An owner's event needs no account, since the session tells it.
        """
        row = await self._database.row(
            END,
            session_id,
            self._revocation_ttl,
            token_ids,
            owner,
            as_json(event),
            unless_revoked,
            digest,
        )
        if row is None or row["is_barred"]:
            return None
        if row["account_id"] is None:
            return Ended()
        log_events(replace(event, account_id=row["account_id"], session_id=session_id))
        return Ended.of([session_id], token_ids)

    async def end_next(self, rest: Rest) -> Ended:
        """End a batch of the rest in the order of accounts and ids; one event has the number of sessions.

        Of all accounts, only living sessions end, and those that expired stay as they are.
        """
        account_id, session_id = rest.after
        arguments = (self._revocation_ttl, session_id, as_json(rest.event))
        if rest.account_id is None:
            rows = await self._database.rows(END_NEXT, *arguments, account_id)
        else:
            rows = await self._database.rows(END_NEXT_OF_ACCOUNT, *arguments, rest.account_id)
        ended = [(row["account_id"], row["id"]) for row in rows]
        if ended:
            log_events(rest.event.with_details(ended=len(ended)))
        is_last = len(ended) < BATCH
        left = None if is_last else replace(rest, after=max(ended))
        return Ended.of((session_id for _, session_id in ended), rest=left)

    async def forget(self, account_id: UUID) -> int:
        """Delete a batch of the account's sessions that have ended; returns their number."""
        return len(await self._database.rows(_FORGET, account_id))

    async def purge(self) -> int:
        """Delete the sessions that expired a day ago or earlier; returns their number."""
        return await purge(self._database, _PURGE, _KEPT)


def grant_of(row: asyncpg.Record) -> SessionGrant:
    """The grant in a row, whose columns have the names of its fields but for the session's ``id``."""
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
        status=row["status"],
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
