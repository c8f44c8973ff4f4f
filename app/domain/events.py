"""Security events: what happened, who did it and how, without any secret, token or e-mail address."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self, TypeAlias
from uuid import UUID

from app.domain.visitors import Visitor

Detail: TypeAlias = str | int | None


class EventKind(StrEnum):
    """Every kind of event that is stored; the log uses the same names."""

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
    CLIENT_CREATED = "client.created"
    CLIENT_ROTATED = "client.rotated"
    CLIENT_SCOPES_CHANGED = "client.scopes_changed"
    CLIENT_DELETED = "client.deleted"
    CLIENT_FAILED = "client.failed"
    CLIENT_THROTTLED = "client.throttled"
    TOKEN_REVOKED = "token.revoked"


class Actor(StrEnum):
    """Who caused an event."""

    VISITOR = "visitor"
    OWNER = "owner"
    CLIENT = "client"
    OPERATOR = "operator"
    SERVICE = "service"


class Reason(StrEnum):
    """Why or how an event happened, where its kind alone does not say it."""

    WRONG_PASSWORD = "wrong_password"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_HASH = "unknown_hash"
    ACCOUNT_DISABLED = "account_disabled"
    OVERTAKEN = "overtaken"
    THROTTLED = "throttled"
    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    REVOKED = "revoked"
    REPLACED = "replaced"
    DISPLACED = "displaced"
    REMAINING = "remaining"
    UNKNOWN_CLIENT = "unknown_client"
    WRONG_SECRET = "wrong_secret"
    INVALID_ASSERTION = "invalid_assertion"
    USED_ASSERTION = "used_assertion"


@dataclass(frozen=True, slots=True)
class Event:
    """An event: what happened, who did it, to which account and session, from which address.

    Details are few and small.

    ``actor_id`` distinguishes actors of one kind: the id of an owner's account, or of a service client.
    """

    kind: EventKind
    actor: Actor
    actor_id: str | None = None
    reason: Reason | None = None
    account_id: UUID | None = None
    session_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None
    details: dict[str, Detail] = field(default_factory=dict)

    def with_details(self, **details: Detail) -> Self:
        """The same event with further details."""
        return replace(self, details=self.details | details)

    def because(self, reason: Reason) -> Self:
        """The same event with its reason."""
        return replace(self, reason=reason)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as it was stored.

    Kind, actor and reason are text, since a later release may have written them. Events written before
    schema 0003 have neither actor nor reason; their details may contain ``by``.
    """

    id: int
    at: datetime
    kind: str
    actor: str | None
    actor_id: str | None
    reason: str | None
    account_id: UUID | None
    session_id: UUID | None
    address: str | None
    request_id: str | None
    details: dict[str, Detail]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to read: of one account, of some kinds, not before ``since``, and before ``until``."""

    account_id: UUID | None = None
    kinds: tuple[EventKind, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


def by_visitor(
    visitor: Visitor,
    kind: EventKind,
    account_id: UUID | None,
    session_id: UUID | None = None,
    reason: Reason | None = None,
) -> Event:
    """An event caused by a request that did not prove who sent it."""
    return Event(
        kind, Actor.VISITOR, None, reason, account_id, session_id, visitor.address, visitor.request_id
    )


def by_owner(
    visitor: Visitor,
    kind: EventKind,
    account_id: UUID | None,
    session_id: UUID | None = None,
    reason: Reason | None = None,
) -> Event:
    """An event caused by an account's owner: the request had the password or a token of a session.

    Without an account, the statement that ends the session adds it.
    """
    return Event(
        kind,
        Actor.OWNER,
        None if account_id is None else str(account_id),
        reason,
        account_id,
        session_id,
        visitor.address,
        visitor.request_id,
    )


def by_operator(
    kind: EventKind,
    account_id: UUID | None = None,
    session_id: UUID | None = None,
    reason: Reason | None = None,
    **details: Detail,
) -> Event:
    """An event caused by an operator on the command line."""
    return Event(kind, Actor.OPERATOR, None, reason, account_id, session_id, details=details)
