"""The sessions of an account, as its owner sees and ends them."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.events import EventKind, Reason, by_owner
from app.domain.sessions import SessionSummary
from app.domain.visitors import Visitor
from app.services.end_sessions import EndSessions
from app.services.owner.caller import WhoAmI
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class OwnSessions:
    """The sessions of the account that an access token belongs to."""

    sessions: SessionStore
    who_am_i: WhoAmI
    end_sessions: EndSessions

    async def all(self, access_token: str) -> tuple[list[SessionSummary], UUID]:
        """The living sessions, the most recently used first, and the id of the caller's own session."""
        caller = await self.who_am_i(access_token)
        return await self.sessions.living(caller.account.id), caller.token.session_id

    async def end(self, access_token: str, session_id: UUID, visitor: Visitor) -> bool:
        """End a session and its access tokens; False when it had ended or belongs to another account."""
        owner = (await self.who_am_i(access_token)).account.id
        event = by_owner(visitor, EventKind.SESSION_ENDED, owner, session_id, Reason.REVOKED)
        return await self.end_sessions.one(session_id, event, owner=owner) > 0
