"""Revocations that the feed told of, until the lists have them or the tokens have expired."""

from collections.abc import Callable

from watchword_verifier.clock import Clock
from watchword_verifier.identity import Identity, StatusReference

MAX_ENTRIES = 200_000


class Revocations:
    """Sessions that have ended. Entries may be read from any thread; one thread writes."""

    def __init__(self, clock: Clock, changed: Callable[[], None]) -> None:
        """``changed`` is called after an entry was added."""
        self._clock = clock
        self._changed = changed
        self._ends: dict[str | StatusReference, float] = {}

    def covers(self, identity: Identity) -> bool:
        """Whether the session of this token is known to have ended."""
        return identity.session_id in self._ends or identity.status in self._ends

    def add(self, session_id: str | None, status: StatusReference | None, until: float) -> bool:
        """Remember an ended session until its last token has expired; False when there is no room."""
        if len(self._ends) >= MAX_ENTRIES:
            self.prune()
        if len(self._ends) >= MAX_ENTRIES:
            return False
        for name in (session_id, status):
            if name is not None:
                self._ends[name] = max(until, self._ends.get(name, 0))
        self._changed()
        return True

    def prune(self) -> None:
        """Forget the entries whose tokens have all expired."""
        now = self._clock.wall()
        for name in [name for name, end in self._ends.items() if end <= now]:
            del self._ends[name]
