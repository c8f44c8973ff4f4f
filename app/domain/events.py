"""Events: what happened that matters to security, in words that name no secret, token or e-mail address."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self, TypeAlias
from uuid import UUID

from app.domain.visitors import Visitor

Detail: TypeAlias = str | int | None


class EventKind(StrEnum):
    """Everything that is kept as an event; the log calls it by the same name."""

    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGIN_THROTTLED = "login.throttled"
    SESSION_ENDED = "session.ended"
    SESSION_REUSE_DETECTED = "session.reuse_detected"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_CHANGE_FAILED = "password.change_failed"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_DELETED = "account.deleted"
    ACCOUNT_ROLES_CHANGED = "account.roles_changed"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_DELETED = "key.deleted"
    KEY_RETIRED = "key.retired"


@dataclass(frozen=True, slots=True)
class Event:
    """An event, of which account and session, and from where; the details are few and small."""

    kind: EventKind
    account_id: UUID | None = None
    session_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None
    details: dict[str, Detail] = field(default_factory=dict)

    def with_details(self, **details: Detail) -> Self:
        """The same event, with details that became known when it happened."""
        return replace(self, details=self.details | details)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it was kept; its kind may be one that a later release of the service wrote."""

    id: int
    at: datetime
    kind: str
    account_id: UUID | None
    session_id: UUID | None
    address: str | None
    request_id: str | None
    details: dict[str, Detail]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted: of an account, of some kinds, from a moment on and before another one."""

    account_id: UUID | None = None
    kinds: tuple[EventKind, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


def by_visitor(
    visitor: Visitor,
    kind: EventKind,
    account_id: UUID | None,
    session_id: UUID | None = None,
    **details: Detail,
) -> Event:
    """What a request did, or tried to do."""
    return Event(kind, account_id, session_id, visitor.address, visitor.request_id, details)


def by_operator(
    kind: EventKind, account_id: UUID | None = None, session_id: UUID | None = None, **details: Detail
) -> Event:
    """What an operator did by a command."""
    return Event(kind, account_id, session_id, details={"by": "operator", **details})
