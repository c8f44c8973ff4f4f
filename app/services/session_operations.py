"""What operators do with sessions, and what the service clears away by itself."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from app.domain.sessions import SessionPolicy, SessionSummary
from app.services.accounts import Accounts
from app.services.revocations import Revocations
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.database import BATCH
from app.storage.postgres.revocations import RevocationStore
from app.storage.postgres.sessions import SessionStore

_log = structlog.get_logger()


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
        ended = [str(session_id)] if await self._store.end(session_id, self._revocations.lasts) else []
        return await self._ended(ended)

    async def end_of(self, email: str) -> int:
        """End every session of an account; AccountError when no account has the address."""
        account = await self._accounts.find(email)
        return await self._ended(await self._account_store.end_sessions(account.id, self._revocations.lasts))

    async def end_all(self) -> int:
        """End every session that lives now, batch by batch; may be called again after an interruption."""
        total, after = 0, UUID(int=0)
        while ended := await self._store.end_next(after, self._revocations.lasts):
            total += await self._ended(ended)
            after = max(map(UUID, ended))
        return total

    async def _ended(self, session_ids: list[str]) -> int:
        if session_ids:
            _log.info("session.ended", ended=len(session_ids), by="operator")
        await self._revocations.announce(session_ids)
        return len(session_ids)


class Purge:
    """Deletes what can matter no more, in batches that nobody has to wait for."""

    def __init__(self, sessions: SessionStore, revocations: RevocationStore) -> None:
        self._sessions = sessions
        self._revocations = revocations

    async def __call__(self) -> int:
        """Delete everything that may go, unless another replica is at it; answers how many rows went."""
        return await _to_the_end(self._sessions.purge) + await _to_the_end(self._revocations.purge)


async def _to_the_end(purge: Callable[[], Awaitable[int]]) -> int:
    total = deleted = await purge()
    while deleted == BATCH:
        deleted = await purge()
        total += deleted
    return total
