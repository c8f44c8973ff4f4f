"""What a signed-in person may see and do of the sessions of the own account."""

from uuid import UUID

from app.domain.events import EventKind, by_visitor
from app.domain.sessions import SessionPolicy, SessionSummary
from app.domain.visitors import Visitor
from app.services.owner.caller import WhoAmI
from app.services.revocations import Revocations
from app.storage.postgres.sessions import SessionStore


class OwnSessions:
    """An account's sessions, in the hand of whoever holds an access token of it."""

    def __init__(
        self, sessions: SessionStore, who_am_i: WhoAmI, revocations: Revocations, policy: SessionPolicy
    ) -> None:
        self._sessions = sessions
        self._who_am_i = who_am_i
        self._revocations = revocations
        self._policy = policy

    async def all(self, access_token: str) -> tuple[list[SessionSummary], UUID]:
        """The living ones, the one used last first, and the id of the one that the token belongs to."""
        caller = await self._who_am_i(access_token)
        return await self._sessions.living(caller.account.id, self._policy), caller.token.session_id

    async def end(self, access_token: str, session_id: UUID, visitor: Visitor) -> bool:
        """End one with all its access tokens; False when the account has none of this id, or it had ended."""
        caller = await self._who_am_i(access_token)
        lasts, owner = self._revocations.lasts, caller.account.id
        event = by_visitor(visitor, EventKind.SESSION_ENDED, owner, session_id, by="owner")
        if not await self._sessions.end(session_id, lasts, event, owner=owner):
            return False
        await self._revocations.announce([str(session_id)])
        return True
