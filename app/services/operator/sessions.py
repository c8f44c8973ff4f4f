"""Sessions, as an operator lists and ends them."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.events import EventKind, Reason, by_operator
from app.domain.sessions import SessionSummary
from app.services.end_sessions import EndSessions
from app.services.operator.accounts import Accounts
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class Sessions:
    """An operator's view of sessions; every method that ends sessions returns how many."""

    sessions: SessionStore
    accounts: Accounts
    end_sessions: EndSessions

    async def of(self, email: str) -> list[SessionSummary]:
        """The living sessions of an account; refuses with ``account_unknown``."""
        return await self.sessions.living((await self.accounts.find(email)).id)

    async def end(self, session_id: UUID) -> int:
        """End one session."""
        event = by_operator(EventKind.SESSION_ENDED, None, session_id, Reason.REVOKED, ended=1)
        return await self.end_sessions.one(session_id, event)

    async def end_of(self, email: str) -> int:
        """End every session of an account; refuses with ``account_unknown``."""
        account = await self.accounts.find(email)
        event = by_operator(EventKind.SESSION_ENDED, account.id, reason=Reason.REVOKED)
        return await self.end_sessions.of_account(account.id, event)

    async def end_all(self) -> int:
        """End every living session; after an interruption it can be called again."""
        return await self.end_sessions.all(by_operator(EventKind.SESSION_ENDED, reason=Reason.REVOKED))
