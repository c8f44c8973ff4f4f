"""Sessions: one row each, whose refresh tokens are told apart by a generation number.

The rules for a genuine refresh token, in this order (RFC 9700 section 4.14.2):
a revoked session stays revoked, an expired one expired, a token serves only the kind of client it was
issued to; the current token rotates; one ahead of the row proves that the row was set back by a failover
and rotates from its own generation; one superseded within the grace is a retry and meets the current
token; any other one is reuse, and ends the session.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from uuid import UUID

from app.domain.refusals import Refusal

REMEMBERED_GENERATIONS = 4
"""How many superseded generations a row dates; what is older is reuse whatever the grace."""


class ClientKind(StrEnum):
    """How a session carries its refresh token: a browser in the cookie, a native client in the body."""

    BROWSER = "browser"
    NATIVE = "native"


class ReuseRevokes(StrEnum):
    """What ends when a refresh token is used again."""

    SESSION = "session"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long sessions live and how long a superseded refresh token is a retry."""

    absolute: timedelta
    idle: timedelta
    grace: timedelta
    reuse_revokes: ReuseRevokes


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token says, once its mac was found right."""

    secret_id: bytes
    session_id: UUID
    generation: int
    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """What an access token and its answer need to know of a living session, and the key that signs now."""

    session_id: UUID
    account_id: UUID
    client: ClientKind
    roles: tuple[str, ...]
    authenticated_at: datetime
    expires_at: datetime
    signing_kid: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A session's row; ``superseded_at`` dates the generations before the current one, newest first."""

    grant: SessionGrant
    generation: int
    refresh_token_hash: bytes = field(repr=False)
    superseded_at: tuple[datetime, ...]
    refreshed_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What its owner may want to know of a living session."""

    id: UUID
    client: ClientKind
    created_at: datetime
    last_used_at: datetime
    address: str | None
    user_agent: str | None


class Standing(Enum):
    """Where a genuine refresh token of a living session stands in its family."""

    CURRENT = "current"
    AHEAD = "ahead"
    RETRY = "retry"
    REUSED = "reused"


def has_expired(session: Session, policy: SessionPolicy, *, now: datetime) -> bool:
    """Whether the session is over by itself: at its absolute end, or unused for too long."""
    return now >= min(session.grant.expires_at, session.refreshed_at + policy.idle)


def judge(
    token: RefreshToken, session: Session, client: ClientKind, policy: SessionPolicy, *, now: datetime
) -> Standing | Refusal:
    """The standing of a genuine refresh token, or why its session serves it no more.

    ``now`` is the database's clock at the moment when ``session`` was read.
    """
    if session.revoked_at is not None:
        return Refusal.SESSION_REVOKED
    if has_expired(session, policy, now=now):
        return Refusal.REFRESH_TOKEN_EXPIRED
    if session.grant.client is not client:
        return Refusal.REFRESH_TOKEN_INVALID
    behind = session.generation - token.generation
    if behind <= 0:
        return Standing.CURRENT if behind == 0 else Standing.AHEAD
    if behind <= len(session.superseded_at) and now < session.superseded_at[behind - 1] + policy.grace:
        return Standing.RETRY
    return Standing.REUSED
