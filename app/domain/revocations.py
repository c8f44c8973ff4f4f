"""Revocations: what ended before its time, by id: a ``jti``, a ``sid`` or a ``kid``."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """The sessions that a committed change ended, and single tokens of them, not announced yet.

    Only ``EndSessions`` reads the ids, by announcing them.
    """

    unannounced: tuple[str, ...] = ()
    token_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, session_ids: Iterable[object], token_ids: Iterable[str] = ()) -> "Ended":
        """From the ids of sessions as the database gives them."""
        return cls(tuple(map(str, session_ids)), tuple(token_ids))

    @property
    def sessions(self) -> int:
        """How many sessions ended."""
        return len(self.unannounced)
