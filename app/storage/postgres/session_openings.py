"""Opens sessions, each in one transaction that leaves no account more sessions than it may have."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.events import Event, EventKind, Reason, by_owner
from app.domain.proofs import Proof
from app.domain.revocations import Ended
from app.domain.sessions import ClientKind, RefreshToken, SessionGrant, SessionPolicy
from app.domain.visitors import Visitor
from app.storage.postgres.database import Database
from app.storage.postgres.events import log_events, record
from app.storage.postgres.session_ends import END_SURPLUS
from app.storage.postgres.sessions import SIGNING_KID, grant_of

# The account's row is locked against the changes that end sessions: if the password was changed after the
# login verified it, or the account was disabled or deleted, nothing is found. It is locked against other
# sign-ins too, so the next statement sees each of their sessions.
_LOCK = "SELECT 1 FROM accounts WHERE id = $1 AND enabled AND password_version = $2 FOR NO KEY UPDATE"

# A session is younger than the last end of all sessions, even if the clock of the database was set back.
_OPEN = f"""
WITH owner AS (
    SELECT id, email, roles, greatest(clock_timestamp(), sessions_ended_at + interval '1 us') AS moment
    FROM accounts WHERE id = $2
), opened AS (
    INSERT INTO sessions
        (id, account_id, client, refresh_token_hash, amr, authenticated_at,
         created_at, refreshed_at, expires_at, address, user_agent)
    SELECT $1, id, $3, $4, $5, coalesce($6, moment), moment, moment, moment + $7::interval, $8, $9
    FROM owner
    RETURNING id, account_id, client, amr, authenticated_at, created_at, expires_at
)
SELECT opened.id, opened.account_id, opened.client, opened.amr, opened.authenticated_at,
    opened.created_at, opened.expires_at, owner.email, owner.roles, {SIGNING_KID}
FROM opened, owner
"""  # noqa: S608 - the only thing put in is a constant of ours


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
        account_id = proof.account_id
        async with self._database.transaction() as connection:
            owner = await connection.exec_driver_sql(_LOCK, (account_id, proof.password_version))
            if owner.first() is None:
                # The proof was right when it was given, whether at a login or at a change of the password.
                failed = by_owner(visitor, EventKind.LOGIN_FAILED, account_id, reason=Reason.OVERTAKEN)
                opened, happened = None, [failed]
            else:
                ended, happened = await self._make_room(connection, account_id, predecessor, visitor)
                grant, email = await self._add(connection, token, client, proof, visitor)
                opened = Opened(grant, email, ended)
                succeeded = by_owner(visitor, EventKind.LOGIN_SUCCEEDED, account_id, token.session_id)
                happened.append(succeeded.with_details(client=client.value))
            await record(connection, *happened)
        log_events(*happened)
        return opened

    async def _make_room(
        self,
        connection: AsyncConnection,
        account_id: UUID,
        predecessor: SessionGrant | None,
        visitor: Visitor,
    ) -> tuple[Ended, list[Event]]:
        """End the ``predecessor``, and the oldest ones beyond the limit; returns their events too."""
        replaced = None if predecessor is None else predecessor.session_id
        arguments = (self._revocation_ttl, account_id, replaced, self._policy.per_account)
        ended = [UUID(each) for each in (await connection.exec_driver_sql(END_SURPLUS, arguments)).scalars()]
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

    async def _add(
        self,
        connection: AsyncConnection,
        token: RefreshToken,
        client: ClientKind,
        proof: Proof,
        visitor: Visitor,
    ) -> tuple[SessionGrant, str]:
        """Add the session; returns its grant and the account's e-mail address."""
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
        row = (await connection.exec_driver_sql(_OPEN, columns)).mappings().one()
        return grant_of(row), row["email"]
