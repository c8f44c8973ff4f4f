"""Revocations: what ended before its time, told to every replica at once."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from app.domain.access_tokens import TokenPolicy
from app.storage.postgres.revocations import RevocationStore
from app.storage.redis.revocations import IndexFacts, IndexState, RevocationIndex

_REASONS = {
    IndexState.UNREACHABLE: "Redis does not answer, or refuses to write",
    IndexState.EVICTING: "Redis may evict entries: set maxmemory-policy noeviction",
    IndexState.DISTURBED: "Redis lost something while it was filled",
}

_log = structlog.get_logger()


class Revocations:
    """The blacklist: Postgres is the truth, Redis answers first where it can be believed."""

    def __init__(self, store: RevocationStore, index: RevocationIndex, policy: TokenPolicy) -> None:
        self._store = store
        self._index = index
        # Until then a verifier with our leeway may accept a token that was signed just before.
        self.lasts = policy.lifetime + 2 * policy.leeway
        self._verdict: IndexState | None = None

    async def announce(self, ids: Iterable[str], lasts: timedelta | None = None) -> bool:
        """Enter into the index what Postgres has committed; False when Redis did not take it."""
        entries = dict.fromkeys(ids, lasts or self.lasts)
        taken = not entries or await self._index.add(entries)
        if not taken:
            _log.warning("blacklist.not_indexed", entries=len(entries))
        return taken

    async def any_indexed(self, ids: Sequence[str]) -> bool | None:
        """Whether Redis knows one of the ids for revoked, or None when it cannot be believed."""
        return await self._index.find(ids)

    async def any_revoked(self, ids: Sequence[str]) -> bool:
        """Whether one of the ids is revoked: a ``jti``, a ``sid`` or a ``kid``."""
        answer = await self.any_indexed(ids)
        return await self._store.find(ids) if answer is None else answer

    @property
    def trouble(self) -> str | None:
        """Why Redis was not to be believed when it was looked at last, with the mend; None if it was."""
        return None if self._verdict is None else _REASONS.get(self._verdict)

    async def described(self) -> IndexFacts | None:
        """What the server of the index says of itself; None when it does not answer."""
        return await self._index.describe()

    async def reindex(self) -> bool:
        """Bring the index in step with Postgres, every few seconds; False while it cannot be believed."""
        verdict = await self._index.rebuild(self._store.live)
        if verdict is not self._verdict:
            self._verdict = verdict
            if verdict is IndexState.TRUSTED:
                _log.info("blacklist.believed")
            else:
                _log.warning("blacklist.not_believed", reason=self.trouble, instead="Postgres answers")
        return verdict is IndexState.TRUSTED
