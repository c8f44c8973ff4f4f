"""Revocations: tokens, sessions and keys that ended early, by ``jti``, ``sid`` or ``kid``."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """The sessions that a committed change ended, with single tokens of them; not announced yet.

    Only ``EndSessions`` reads the ids, by announcing them.
    """

    unannounced: tuple[str, ...] = ()
    token_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, session_ids: Iterable[object], token_ids: Iterable[str] = ()) -> "Ended":
        """Built from session ids as the database returns them."""
        return cls(tuple(map(str, session_ids)), tuple(token_ids))

    @property
    def sessions(self) -> int:
        """How many sessions ended."""
        return len(self.unannounced)
