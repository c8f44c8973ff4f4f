"""What operators do with sessions, and what the service clears away by itself."""

from uuid import UUID

from app.domain.events import EventKind, by_operator
from app.domain.sessions import SessionPolicy, SessionSummary
from app.services.operator.accounts import Accounts
from app.services.revocations import Revocations
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import SessionStore


class Sessions:
    """The operator's hand on sessions."""

    def __init__(
        self,
        store: SessionStore,
        accounts: Accounts,
        account_store: AccountStore,
        revocations: Revocations,
        policy: SessionPolicy,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._account_store = account_store
        self._revocations = revocations
        self._policy = policy

    async def of(self, email: str) -> list[SessionSummary]:
        """The living sessions of an account; AccountError when no account has the address."""
        return await self._store.living((await self._accounts.find(email)).id, self._policy)

    async def end(self, session_id: UUID) -> int:
        """End one session; answers how many ended."""
        event = by_operator(EventKind.SESSION_ENDED, session_id=session_id, ended=1)
        is_ended = await self._store.end(session_id, self._revocations.lasts, event)
        return await self._ended([str(session_id)] if is_ended else [])

    async def end_of(self, email: str) -> int:
        """End every session of an account; AccountError when no account has the address."""
        account = await self._accounts.find(email)
        event, lasts = by_operator(EventKind.SESSION_ENDED, account.id), self._revocations.lasts
        return await self._ended(await self._account_store.end_sessions(account.id, lasts, event))

    async def end_all(self) -> int:
        """End every session that lives now, batch by batch; may be called again after an interruption."""
        total, after, event = 0, UUID(int=0), by_operator(EventKind.SESSION_ENDED)
        while ended := await self._store.end_next(after, self._revocations.lasts, event):
            total += await self._ended(ended)
            after = max(map(UUID, ended))
        return total

    async def _ended(self, session_ids: list[str]) -> int:
        await self._revocations.announce(session_ids)
        return len(session_ids)
