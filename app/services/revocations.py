"""Revocations: announces them to every replica, and looks them up."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog

from app.storage.postgres.revocations import RevocationStore
from app.storage.redis.revocations import IndexState, RevocationIndex

_REASONS = {
    IndexState.UNREACHABLE: "Redis does not answer, or refuses to write",
    IndexState.EVICTING: "Redis may evict entries: set maxmemory-policy noeviction",
    IndexState.DISTURBED: "Redis lost entries while it was being filled",
}

_log = structlog.get_logger()


class Revocations:
    """Looks up revocations in Redis while the index can be trusted, and in Postgres otherwise."""

    def __init__(self, store: RevocationStore, index: RevocationIndex, ttl: timedelta) -> None:
        """``ttl`` is how long a revocation is kept."""
        self.store = store
        self.index = index
        self.on_announced: list[Callable[[], object]] = []
        """Called when this process announces revocations; others find them in Postgres."""
        self._ttl = ttl
        self._state: IndexState | None = None

    async def announce(self, ids: Iterable[str], ttl: timedelta | None = None) -> bool:
        """Add committed revocations to the index; False when Redis did not accept them."""
        entries = dict.fromkeys(ids, ttl or self._ttl)
        if entries:
            for call in self.on_announced:
                call()
        is_indexed = not entries or await self.index.add(entries)
        if not is_indexed:
            _log.warning("revocations.not_indexed", entries=len(entries), reason=self.index.cause)
        return is_indexed

    async def any_revoked(self, ids: Sequence[str]) -> bool:
        """Whether one of the ids is revoked: a ``jti``, a ``sid`` or a ``kid``."""
        answer = await self.index.find(ids)
        return await self.store.find(ids) if answer is None else answer

    @property
    def trouble(self) -> str | None:
        """Why the index was not trusted at the last ``reindex``, with the remedy; None when it was."""
        return None if self._state is None else _REASONS.get(self._state)

    async def fill(self) -> str | None:
        """Synchronise the index with Postgres; returns why it cannot be trusted, None when it can."""
        self._state = await self.index.rebuild(self.store.changes)
        return self.trouble

    async def reindex(self) -> bool:
        """As ``fill``, called every few seconds; it logs a change, and is False while Postgres answers."""
        before = self._state
        trouble = await self.fill()
        if self._state is not before:
            if trouble is None:
                _log.info("revocations.index_trusted")
            else:
                cause = f": {self.index.cause}" if self._state is IndexState.UNREACHABLE else ""
                _log.warning("revocations.index_not_trusted", reason=trouble + cause)
        return trouble is None
