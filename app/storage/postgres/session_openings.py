"""Opens sessions, and leaves no account more sessions than it may have."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.events import Event, EventKind, Reason, by_owner
from app.domain.proofs import Proof
from app.domain.revocations import Ended
from app.domain.sessions import ClientKind, RefreshToken, SessionGrant, SessionPolicy
from app.domain.visitors import Visitor
from app.storage.postgres.connections import Connection
from app.storage.postgres.database import Database
from app.storage.postgres.events import COLUMNS, INSERT, as_json, events_from, log_events, record
from app.storage.postgres.session_ends import END_SURPLUS
from app.storage.postgres.sessions import SIGNING_KID, grant_of

# The account's row is locked against the changes that end sessions: if the password was changed after the
# login verified it, or the account was disabled or deleted, nothing is found. It is locked against other
# sign-ins too, so the next statement sees each of their sessions.
_LOCK = "SELECT 1 FROM accounts WHERE id = $1 AND enabled AND password_version = $2 FOR NO KEY UPDATE"


# A session is younger than the last end of all sessions, even if the clock of the database was set back.
def _open(condition: str) -> str:
    """The statement that opens a session of the account $2, if it meets a condition, with the events $10."""
    return f"""
WITH account AS (
    SELECT id, email, roles, sessions_ended_at FROM accounts WHERE id = $2 AND {condition}
), owner AS (
    SELECT id, email, roles, greatest(clock_timestamp(), sessions_ended_at + interval '1 us') AS moment
    FROM account
), opened AS (
    INSERT INTO sessions
        (id, account_id, client, refresh_token_hash, amr, authenticated_at,
         created_at, refreshed_at, expires_at, address, user_agent)
    SELECT $1, id, $3, $4, $5, coalesce($6, moment), moment, moment, moment + $7::interval, $8, $9
    FROM owner
    RETURNING id, account_id, client, amr, authenticated_at, created_at, expires_at, status
), recorded AS (
    {INSERT} SELECT {COLUMNS} FROM {events_from("$10")} WHERE EXISTS (SELECT FROM opened)
)
SELECT opened.id, opened.account_id, opened.client, opened.amr, opened.authenticated_at,
    opened.created_at, opened.expires_at, opened.status, owner.email, owner.roles, {SIGNING_KID}
FROM opened, owner
"""  # noqa: S608 - the only things put in are constants of ours


_OPEN_LOCKED = _open("true")
# Almost every account has few sessions, and a sign-in is one statement then, which locks the account as well.
# It does not see the sessions of sign-ins that are committed while it waits for the lock. There would have to
# be as many of those as this leaves room for, before an account had a session more until its next sign-in.
_ROOM = 32
_OPEN_WITH_ROOM = _open("""enabled AND password_version = $11 AND NOT EXISTS (
        SELECT FROM sessions WHERE account_id = $2 AND revoked_at IS NULL OFFSET $12
    ) FOR NO KEY UPDATE""")


@dataclass(frozen=True, slots=True)
class Opened:
    """An open session, the account's e-mail address, and the sessions that ended for it."""

    grant: SessionGrant
    email: str
    ended: Ended


class SessionOpenings:
    """Opens sessions in Postgres. All times come from the clock of the database."""

    def __init__(self, database: Database, policy: SessionPolicy, revocation_ttl: timedelta) -> None:
        """Take how long sessions live and how many an account has, and how long revocations are kept."""
        self._database = database
        self._policy = policy
        self._revocation_ttl = revocation_ttl

    async def open(
        self,
        token: RefreshToken,
        client: ClientKind,
        proof: Proof,
        visitor: Visitor,
        predecessor: SessionGrant | None = None,
    ) -> Opened | None:
        """Open a session with its first refresh token, and end its ``predecessor`` in the same browser.

        If the account has as many sessions as it may, those unused longest end. Of an account with far more,
        at most a batch ends at each sign-in.

        It returns None, opens nothing and records the failure if the account is disabled or deleted, or its
        password has changed.
        """
        columns = (
            token.session_id,
            proof.account_id,
            client.value,
            token.digest,
            list(proof.methods),
            proof.at,
            self._policy.absolute,
            visitor.address,
            visitor.user_agent,
        )
        succeeded = by_owner(visitor, EventKind.LOGIN_SUCCEEDED, proof.account_id, token.session_id)
        succeeded = succeeded.with_details(client=client.value)
        few = self._policy.per_account - _ROOM - 1
        if predecessor is None and few >= 0:
            event = as_json(succeeded)
            row = await self._database.row(_OPEN_WITH_ROOM, *columns, event, proof.password_version, few)
            if row is not None:
                log_events(succeeded)
                return Opened(grant_of(row), row["email"], Ended())
        return await self._open_in_turn(columns, proof, visitor, predecessor, succeeded)

    async def _open_in_turn(
        self,
        columns: tuple[object, ...],
        proof: Proof,
        visitor: Visitor,
        predecessor: SessionGrant | None,
        succeeded: Event,
    ) -> Opened | None:
        """Open the session in a transaction, which sees every other session of the account."""
        account_id = proof.account_id
        async with self._database.transaction() as connection:
            if await connection.fetch(_LOCK, account_id, proof.password_version):
                ended, happened = await self._make_room(connection, account_id, predecessor, visitor)
                happened.append(succeeded)
                row = await connection.fetchrow(_OPEN_LOCKED, *columns, as_json(*happened))
                opened = None if row is None else Opened(grant_of(row), row["email"], ended)
            else:
                # The proof was right when it was given, whether at a login or at a change of the password.
                failed = by_owner(visitor, EventKind.LOGIN_FAILED, account_id, reason=Reason.OVERTAKEN)
                opened, happened = None, [failed]
                await record(connection, failed)
        log_events(*happened)
        return opened

    async def _make_room(
        self,
        connection: Connection,
        account_id: UUID,
        predecessor: SessionGrant | None,
        visitor: Visitor,
    ) -> tuple[Ended, list[Event]]:
        """End the ``predecessor``, and the oldest ones beyond the limit; returns their events too."""
        replaced = None if predecessor is None else predecessor.session_id
        arguments = (self._revocation_ttl, account_id, replaced, self._policy.per_account)
        ended = [row["id"] for row in await connection.fetch(END_SURPLUS, *arguments)]
        displaced = [each for each in ended if each != replaced]
        happened = []
        if predecessor is not None and len(displaced) < len(ended):
            happened.append(
                by_owner(visitor, EventKind.SESSION_ENDED, predecessor.account_id, replaced, Reason.REPLACED)
            )
        if displaced:
            only = displaced[0] if len(displaced) == 1 else None
            event = by_owner(visitor, EventKind.SESSION_ENDED, account_id, only, Reason.DISPLACED)
            happened.append(event.with_details(ended=len(displaced)))
        return Ended.of(ended), happened
