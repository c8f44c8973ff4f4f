"""Sessions: one row each, whose refresh tokens differ by a generation number.

A superseded refresh token is a retry in two cases:

- It was superseded within the grace.
- It is the parent of the current token, and its client repeats the ``Idempotency-Key`` of the very rotation
  that superseded it. This holds for as long as the session lives: the answer was lost, and a thief of the
  parent does not know the key that the owner chose.

A genuine refresh token is judged in this order (RFC 9700 section 4.14.2):

1. The session has ended, by itself or with all of its account, or the account is disabled: it was revoked.
2. The session has expired: it stays expired.
3. The token was superseded and is no retry: this is reuse, and ends the session.
4. The token came the way of another kind of client: it is invalid, without effect.
5. The token is the current one: it rotates.
6. The token is ahead of the row, which a failover has set back: it rotates from its own generation.
7. The token is a retry: it is answered with the current token, and nothing changes.

Rule 3 comes before rule 4, since an old token is proof of a copy whichever way it comes. In the tokens of
rules 5 to 7 there is no such proof, so a client that mistakes the way loses nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from uuid import UUID

from app.domain.refusals import Refusal

REMEMBERED_GENERATIONS = 4
"""How many superseded generations a row dates; an older token is always reuse."""
MOST_SESSIONS = 1000
"""The highest number of sessions that an account may be allowed."""


class ClientKind(StrEnum):
    """How a client carries its refresh token: a browser in the cookie, a native client in the body."""

    BROWSER = "browser"
    NATIVE = "native"


class ReuseRevokes(StrEnum):
    """Which sessions end when a refresh token is reused."""

    SESSION = "session"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """The lifetimes and number of sessions, the grace of superseded tokens, and what a reuse ends."""

    absolute: timedelta
    idle: timedelta
    grace: timedelta
    reuse_revokes: ReuseRevokes
    per_account: int


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token whose mac is right: its parts, and its one spelling as ``text``.

    ``digest`` is the SHA-256 of the text; a session's row stores it for its current token.
    """

    secret_id: bytes
    session_id: UUID
    generation: int
    seed: bytes = field(repr=False)
    text: str = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token as its client presents it; ``client`` is the kind that sends it this way.

    ``mark`` is a mac over the token and the ``Idempotency-Key``, or None without a key.
    """

    token: RefreshToken
    client: ClientKind
    mark: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation: a row that stores the hash ``expected`` will store the successor's hash."""

    presented: Presented
    expected: bytes = field(repr=False)
    successor: RefreshToken


@dataclass(frozen=True, slots=True)
class SessionGrant:
    """The facts of a living session that its access tokens state, and the ``kid`` of the current signing key.

    ``amr`` names the authentication methods (RFC 8176), ``authenticated_at`` is when they were used.
    """

    session_id: UUID
    account_id: UUID
    client: ClientKind
    roles: tuple[str, ...]
    amr: tuple[str, ...]
    authenticated_at: datetime
    expires_at: datetime
    signing_kid: str | None
    status: int | None = None
    """The session's number in the status lists; a session of a former release has one after a refresh."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session's row; ``superseded_at`` dates the superseded generations, newest first.

    ``rotated_by`` is the mark of the last rotation, None without a key. The release before schema 0005 leaves
    it as it was.
    """

    grant: SessionGrant
    generation: int
    refresh_token_hash: bytes = field(repr=False)
    superseded_at: tuple[datetime, ...]
    rotated_by: bytes | None = field(repr=False)
    refreshed_at: datetime
    revoked_at: datetime | None
    is_barred: bool
    """Whether the account is disabled, or has ended all its sessions since this one was opened."""


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A living session as its owner sees it."""

    id: UUID
    client: ClientKind
    created_at: datetime
    last_used_at: datetime
    address: str | None
    user_agent: str | None


class Standing(Enum):
    """The position of a genuine refresh token of a living session in its family."""

    CURRENT = "current"
    AHEAD = "ahead"
    RETRY = "retry"
    LATE_RETRY = "late_retry"
    REUSED = "reused"


def has_ended(session: Session) -> bool:
    """Whether the session was ended, by itself or by its account."""
    return session.revoked_at is not None or session.is_barred


def has_expired(session: Session, policy: SessionPolicy, *, now: datetime) -> bool:
    """Whether the session has reached its absolute end or was unused for too long."""
    return now >= min(session.grant.expires_at, session.refreshed_at + policy.idle)


def judge(
    presented: Presented, session: Session, policy: SessionPolicy, *, now: datetime
) -> Standing | Refusal:
    """The standing of a genuine refresh token, or why it is refused.

    ``now`` is the database's time when ``session`` was read.
    """
    if has_ended(session):
        return Refusal.SESSION_REVOKED
    if has_expired(session, policy, now=now):
        return Refusal.REFRESH_TOKEN_EXPIRED
    standing = _standing(presented, session, policy, now=now)
    if standing is not Standing.REUSED and session.grant.client is not presented.client:
        return Refusal.REFRESH_TOKEN_INVALID
    return standing


def _standing(presented: Presented, session: Session, policy: SessionPolicy, *, now: datetime) -> Standing:
    behind = session.generation - presented.token.generation
    if behind <= 0:
        return Standing.CURRENT if behind == 0 else Standing.AHEAD
    if behind <= len(session.superseded_at) and now < session.superseded_at[behind - 1] + policy.grace:
        return Standing.RETRY
    if behind == 1 and presented.mark is not None and presented.mark == session.rotated_by:
        return Standing.LATE_RETRY
    return Standing.REUSED
