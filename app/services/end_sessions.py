"""Ends sessions: commits the end, then announces it to every replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.domain.events import Event
from app.domain.revocations import Ended, Rest
from app.domain.sessions import RefreshToken
from app.services.revocations import Revocations
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.database import BATCH
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class EndSessions:
    """The only way to end sessions.

    A store returns the sessions that it ended as an opaque ``Ended``, whose ids only this class reads to
    announce them. Every method returns how many sessions ended.
    """

    sessions: SessionStore
    accounts: AccountStore
    revocations: Revocations

    async def one(self, session_id: UUID, event: Event, *, owner: UUID | None = None) -> int:
        """End a session; 0 when it had already ended or belongs to another ``owner``."""
        return await self.announce(await self.sessions.end(session_id, event, owner=owner) or Ended())

    async def of_holder(
        self,
        session_id: UUID,
        event: Event,
        token_ids: Sequence[str] = (),
        *,
        unless_revoked: Sequence[str] = (),
    ) -> int:
        """End the session of a client that presented a genuine token, and the access tokens named.

        They are announced even if the session had already ended: the replica that ended it may have crashed
        between commit and announcement. Nothing is done when one of ``unless_revoked`` is revoked.
        """
        ended = await self.sessions.end(session_id, event, token_ids, unless_revoked=unless_revoked)
        if ended is None:
            return 0
        await self.revocations.announce((str(session_id), *token_ids))
        return ended.sessions

    async def of_current(self, token: RefreshToken, event: Event) -> int:
        """End the session if this is its current refresh token; 0 when it is not, or the session had ended.

        The token need not be known as genuine, since the session's row proves it.
        """
        ended = await self.sessions.end(token.session_id, event, digest=token.digest)
        return await self.announce(ended or Ended())

    async def of_account(self, account_id: UUID, event: Event, *, if_lives: UUID | None = None) -> int:
        """End every session of an account; with ``if_lives`` only while that session is alive."""
        return await self.announce(await self.accounts.end_sessions(account_id, event, if_lives=if_lives))

    async def all(self, event: Event) -> int:
        """End every living session in batches; after an interruption it can be called again."""
        return await self.announce(await self.sessions.end_next(Rest(None, event)))

    async def forget(self, account_id: UUID) -> None:
        """Delete the account's sessions that have ended, in batches."""
        while await self.sessions.forget(account_id) == BATCH:
            pass

    async def announce(self, ended: Ended) -> int:
        """Announce the sessions that a change ended, and end the rest of them in batches.

        The change has committed that no session of the rest continues, so an interruption lets none live.
        """
        total = ended.sessions
        await self.revocations.announce((*ended.unannounced, *ended.token_ids))
        while ended.rest is not None:
            ended = await self.sessions.end_next(ended.rest)
            total += ended.sessions
            await self.revocations.announce(ended.unannounced)
        return total
