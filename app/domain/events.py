"""Security events: what happened, who did it and how, without any secret, token or e-mail address."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Self, TypeAlias
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


class Actor(StrEnum):
    """Who caused an event."""

    VISITOR = "visitor"
    OWNER = "owner"
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


class Meaning(NamedTuple):
    """The meaning of a kind of event: when it is written, and the reasons and details that it may have."""

    sentence: str
    reasons: tuple[Reason, ...] = ()
    details: tuple[str, ...] = ()


ACTORS: Mapping[Actor, str] = {
    Actor.VISITOR: "A request that did not prove who sends it.",
    Actor.OWNER: "A request that proved to come from the owner of the account; `actor_id` is the account.",
    Actor.OPERATOR: "A command on the command line.",
    Actor.SERVICE: "The service itself.",
}
REASONS: Mapping[Reason, str] = {
    Reason.WRONG_PASSWORD: "The password was wrong.",
    Reason.UNKNOWN_ACCOUNT: "No account has the e-mail address.",
    Reason.UNKNOWN_HASH: "The stored hash has no form that this release knows, so no password matches it.",
    Reason.ACCOUNT_DISABLED: "The password was right, and the account is disabled.",
    Reason.OVERTAKEN: "The password or the account was changed after the password was verified.",
    Reason.THROTTLED: "Too many guesses had failed, so the password was not verified.",
    Reason.LOGOUT: "A client signed its session out.",
    Reason.LOGOUT_EVERYWHERE: "The owner signed out every session of the account.",
    Reason.REVOKED: "The owner ended one session by its id, or an operator ended sessions.",
}
_MISMATCHES = (Reason.WRONG_PASSWORD, Reason.UNKNOWN_HASH)
MEANINGS: Mapping[EventKind, Meaning] = {
    EventKind.LOGIN_SUCCEEDED: Meaning("A session was opened.", details=("client",)),
    EventKind.LOGIN_FAILED: Meaning(
        "A login was refused after its password was verified.",
        (*_MISMATCHES, Reason.UNKNOWN_ACCOUNT, Reason.ACCOUNT_DISABLED, Reason.OVERTAKEN),
    ),
    EventKind.LOGIN_THROTTLED: Meaning(
        "A budget is used up, so logins are refused without verifying a password. Each process writes it "
        "once, until the budget opens or has refused no login for an hour.",
        details=("budget",),
    ),
    EventKind.SESSION_ENDED: Meaning(
        "One session, all of an account, or a batch of all sessions were ended on purpose.",
        (Reason.LOGOUT, Reason.LOGOUT_EVERYWHERE, Reason.REVOKED),
        ("ended",),
    ),
    EventKind.SESSION_REUSE_DETECTED: Meaning(
        "A refresh token came back after its grace. Its session, or every session of the account, was ended.",
        details=("ended",),
    ),
    EventKind.PASSWORD_CHANGED: Meaning(
        "The owner or an operator set a new password. The account's sessions were ended.", details=("ended",)
    ),
    EventKind.PASSWORD_CHANGE_FAILED: Meaning(
        "A change of the password was refused because of the current password.",
        (*_MISMATCHES, Reason.OVERTAKEN, Reason.THROTTLED),
    ),
    EventKind.ACCOUNT_CREATED: Meaning("An operator created an account.", details=("roles",)),
    EventKind.ACCOUNT_ENABLED: Meaning("An operator enabled an account."),
    EventKind.ACCOUNT_DISABLED: Meaning(
        "An operator disabled an account. Its sessions were ended.", details=("ended",)
    ),
    EventKind.ACCOUNT_DELETED: Meaning(
        "An operator deleted an account. Its sessions were ended.", details=("ended",)
    ),
    EventKind.ACCOUNT_ROLES_CHANGED: Meaning(
        "An operator replaced the roles. The account's sessions were ended if a role was taken away.",
        details=("roles", "before", "ended"),
    ),
    EventKind.KEY_CREATED: Meaning(
        "A signing key was made and published.", details=("kid", "algorithm", "state")
    ),
    EventKind.KEY_ROTATED: Meaning("A standby key began to sign.", details=("kid",)),
    EventKind.KEY_DELETED: Meaning("A key was deleted, because none of its tokens lives.", details=("kid",)),
    EventKind.KEY_RETIRED: Meaning(
        "An operator retired a key. No token that it signed is accepted.", details=("kid",)
    ),
}
DETAILS: Mapping[str, str] = {
    "client": "The kind of client: `browser` or `native`.",
    "budget": "The budget that is used up: `account`, `device`, `address` or `everyone`.",
    "ended": "How many sessions were ended.",
    "roles": "The roles of the account, separated by spaces.",
    "before": "The roles that the account had before.",
    "kid": "The id of the key.",
    "algorithm": "The algorithm of the key.",
    "state": "The state of the key: `standby` or `signing`.",
}
# A member without a meaning is an import error.
assert ACTORS.keys() == set(Actor)  # noqa: S101
assert REASONS.keys() == set(Reason)  # noqa: S101
assert MEANINGS.keys() == set(EventKind)  # noqa: S101


@dataclass(frozen=True, slots=True)
class Event:
    """An event: what happened, who did it, to which account and session, from which address.

    Details are few and small.

    ``actor_id`` distinguishes actors of one kind: an owner has the id of the account.
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
    account_id: UUID,
    session_id: UUID | None = None,
    reason: Reason | None = None,
) -> Event:
    """An event caused by an account's owner: the request had the password or a token of a session."""
    return Event(
        kind,
        Actor.OWNER,
        str(account_id),
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
