"""Revocations: tokens, sessions and keys that ended early, by ``jti``, ``sid`` or ``kid``."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from app.domain.events import Event

FIRST = (UUID(int=0), UUID(int=0))
"""Comes before every session in the order of accounts and ids."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The sessions that are still to be ended, of one account or of all.

    They follow ``after``, the account and the id of a session. ``event`` is written for each batch of them.
    """

    account_id: UUID | None
    event: Event
    after: tuple[UUID, UUID] = FIRST


@dataclass(frozen=True, slots=True)
class Ended:
    """The sessions that a committed change ended, with single tokens of them; not announced yet.

    Only ``EndSessions`` reads the ids, by announcing them, and the ``rest``, by ending it.
    """

    unannounced: tuple[str, ...] = ()
    token_ids: tuple[str, ...] = ()
    rest: Rest | None = None

    @classmethod
    def of(
        cls, session_ids: Iterable[object], token_ids: Iterable[str] = (), rest: Rest | None = None
    ) -> "Ended":
        """Built from session ids as the database returns them."""
        return cls(tuple(map(str, session_ids)), tuple(token_ids), rest)

    @property
    def sessions(self) -> int:
        """How many sessions ended."""
        return len(self.unannounced)


class Kind(StrEnum):
    """What is revoked."""

    TOKEN = "token"
    SESSION = "session"
    KEY = "key"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revoked id: for how long, and of a session its account, its number and the reason.

    The release before schema 0011 writes no ``kind``, ``subject`` and ``reason``.
    """

    lasts: timedelta
    expires_at: datetime
    kind: Kind | None = None
    subject: UUID | None = None
    status: int | None = None
    reason: str | None = None


class Changes(NamedTuple):
    """What was revoked since a position, and the position from which to ask the next time."""

    position: str
    """An epoch and a snapshot, with a blank between; what is committed later is among the next changes."""
    batches: AsyncIterator[Mapping[str, Revocation]]
    """The revocations by their ids."""
    is_whole: bool
    """Whether these are all revocations, and not only the later ones."""
