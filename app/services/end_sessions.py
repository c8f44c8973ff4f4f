"""Ends sessions: commits, then announces to every replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app.domain.events import Event
from app.domain.revocations import Ended
from app.services.revocations import Revocations
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class EndSessions:
    """The only way to end sessions.

    A store answers the sessions that it ended as an opaque ``Ended``; it becomes a number only by being
    announced. Every method answers how many sessions ended.
    """

    sessions: SessionStore
    accounts: AccountStore
    revocations: Revocations

    async def one(self, session_id: UUID, event: Event, *, owner: UUID | None = None) -> int:
        """End a session; 0 when it had ended before or has another ``owner``."""
        return await self.announce(await self.sessions.end(session_id, event, owner=owner))

    async def of_holder(self, session_id: UUID, event: Event, token_ids: Sequence[str] = ()) -> int:
        """End the session of a client that presented a genuine token of it, and the access tokens named.

        They are announced even if the session had ended before: the replica that ended it may have died
        between its commit and its announcement.
        """
        ended = await self.sessions.end(session_id, event, token_ids)
        await self.revocations.announce((str(session_id), *token_ids))
        return ended.sessions

    async def of_account(self, account_id: UUID, event: Event, *, if_lives: UUID | None = None) -> int:
        """End every session of an account; with ``if_lives`` only while that session lives."""
        return await self.announce(await self.accounts.end_sessions(account_id, event, if_lives=if_lives))

    async def all(self, event: Event) -> int:
        """End every session that lives now, in batches; may be called again after an interruption."""
        total, after = 0, UUID(int=0)
        while batch := await self.sessions.end_next(after, event):
            ended, after = batch
            total += await self.announce(ended)
        return total

    async def announce(self, ended: Ended) -> int:
        """Announce the sessions that a change of their account ended."""
        await self.revocations.announce((*ended.unannounced, *ended.token_ids))
        return ended.sessions
