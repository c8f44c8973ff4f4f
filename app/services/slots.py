"""Slots for hashing: how many callers may wait, hash and do their work around it at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.domain.refusals import Refusal, Refused
from app.domain.throttling import Holder


class Overloaded(Refused):
    """No slot is free, or none for this caller; with sensible settings one is free within a second."""

    def __init__(self) -> None:
        super().__init__(Refusal.OVERLOADED, retry_after=1)


class Slots:
    """A fixed number of slots, of which one holder has only its share."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken = 0
        self._held = Counter[str]()

    @contextmanager
    def take(self, holders: Sequence[Holder]) -> Iterator[None]:
        """Hold a slot, or raise Overloaded when all are taken or one of the holders has its share."""
        if self._taken >= self._total or any(map(self._has_its_share, holders)):
            raise Overloaded
        self._taken += 1
        for holder in holders:
            self._held[holder.key] += 1
        try:
            yield
        finally:
            self._taken -= 1
            for holder in holders:
                self._held[holder.key] -= 1
                if not self._held[holder.key]:
                    del self._held[holder.key]  # Only those who hold a slot are kept.

    def _has_its_share(self, holder: Holder) -> bool:
        """Whether it holds its share, which is rounded up, so that each holder gets one slot at least."""
        return self._held[holder.key] * holder.one_in >= self._total
