"""The events of an account that its owner sees, in pages, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from app.domain.events import EventKind

PAGE = 50
"""Events on a page."""

SHOWN = (
    EventKind.LOGIN_SUCCEEDED,
    EventKind.LOGIN_FAILED,
    EventKind.LOGIN_THROTTLED,
    EventKind.SESSION_ENDED,
    EventKind.SESSION_REUSE_DETECTED,
    EventKind.PASSWORD_CHANGED,
    EventKind.PASSWORD_CHANGE_FAILED,
    EventKind.ACCOUNT_CREATED,
    EventKind.ACCOUNT_ENABLED,
    EventKind.ACCOUNT_DISABLED,
    EventKind.ACCOUNT_ROLES_CHANGED,
)
"""The kinds that an owner sees. Signing keys belong to the service, and a deleted account has no owner."""


class Position(NamedTuple):
    """The place of an event in the order of all events; several may have the same time."""

    at: datetime
    id: int


NEWEST = Position(datetime.max.replace(tzinfo=UTC), 2**63 - 1)
"""Later than every event."""


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """An event as its owner sees it: no request id, and no details, which are written for operators.

    ``actor`` and ``reason`` may be ones that a later release of the service wrote; old events have neither.
    """

    position: Position
    kind: EventKind
    actor: str | None
    reason: str | None
    address: str | None
    session_id: UUID | None


@dataclass(frozen=True, slots=True)
class Page:
    """Events, the newest first, and whether older ones follow."""

    events: Sequence[OwnEvent]
    is_last: bool


def page(found: Sequence[OwnEvent]) -> Page:
    """The page that begins with these events; an event more than ``PAGE`` shows that older ones follow."""
    return Page(found[:PAGE], is_last=len(found) <= PAGE)
