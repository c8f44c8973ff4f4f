"""Access tokens: what they claim, and what must be true of the claims before one is believed (RFC 9068)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.domain.sessions import ClientKind, SessionGrant

TOKEN_TYPE = "at+jwt"
PASSWORD_METHODS = ("pwd",)
"""The ``amr`` of a session opened with a password (RFC 8176 section 2)."""
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_YEAR_10000 = 253_402_300_800
"""In seconds since 1970: where ``datetime`` ends."""


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Who issues access tokens, for whom, for how long, and how far clocks may differ."""

    issuer: str
    audience: str
    lifetime: timedelta
    leeway: timedelta


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The facts that a believed access token establishes."""

    token_id: str
    session_id: UUID
    account_id: UUID
    client: ClientKind
    expires_at: datetime


def expiry(grant: SessionGrant, policy: TokenPolicy, *, now: datetime) -> datetime:
    """When a token issued now ends: after its lifetime, and never past the end of its session."""
    return min(now + policy.lifetime, grant.expires_at)


def claims(grant: SessionGrant, policy: TokenPolicy, token_id: str, *, now: datetime) -> dict[str, object]:
    """The payload of a new access token; all times are integer seconds (RFC 7519 section 4.1)."""
    issued_at = int(now.timestamp())
    # Absent rather than empty: strict validators of RFC 9068 refuse an empty list.
    roles = {"roles": list(grant.roles)} if grant.roles else {}
    return {
        "iss": policy.issuer,
        "aud": policy.audience,
        "sub": str(grant.account_id),
        "iat": issued_at,
        # Many verifiers allow no leeway, and a clock one second behind would refuse a fresh token.
        "nbf": issued_at - int(policy.leeway.total_seconds()),
        "exp": int(expiry(grant, policy, now=now).timestamp()),
        "jti": token_id,
        "sid": str(grant.session_id),
        "client_id": grant.client.value,
        **roles,
        "auth_time": int(grant.authenticated_at.timestamp()),
        "amr": list(PASSWORD_METHODS),
    }


def believe(payload: Mapping[str, object], policy: TokenPolicy, *, now: datetime) -> AccessToken | None:
    """The facts in the payload of a token whose signature is good, or None when a claim does not hold.

    Every claim that we always issue is required with its JSON type; ``exp`` and ``nbf`` are exact at the
    boundary, with one leeway (RFC 7519 sections 4.1.4 and 4.1.5).
    """
    if payload.get("iss") != policy.issuer or payload.get("aud") != policy.audience:
        return None
    issued_at, not_before, expires_at, authenticated_at = (
        _time(payload.get(name)) for name in ("iat", "nbf", "exp", "auth_time")
    )
    if issued_at is None or not_before is None or expires_at is None or authenticated_at is None:
        return None
    seconds, leeway = now.timestamp(), policy.leeway.total_seconds()
    if seconds >= expires_at + leeway or seconds < not_before - leeway or seconds < issued_at - leeway:
        return None
    if expires_at - issued_at > policy.lifetime.total_seconds():
        return None
    return _facts(payload, datetime.fromtimestamp(expires_at, UTC))


def _facts(payload: Mapping[str, object], expires_at: datetime) -> AccessToken | None:
    token_id, client = payload.get("jti"), payload.get("client_id")
    account_id, session_id = _uuid(payload.get("sub")), _uuid(payload.get("sid"))
    if not isinstance(token_id, str) or not _TOKEN_ID.fullmatch(token_id):
        return None
    if account_id is None or session_id is None:
        return None
    if not isinstance(client, str) or client not in tuple(ClientKind):
        return None
    if not _texts(payload.get("roles", [])) or not _texts(payload.get("amr")):
        return None
    return AccessToken(token_id, session_id, account_id, ClientKind(client), expires_at)


def _time(value: object) -> int | None:
    # A boolean is an integer to Python.
    return value if type(value) is int and 0 <= value < _YEAR_10000 else None


def _uuid(value: object) -> UUID | None:
    """A UUID in its one canonical spelling; ``UUID()`` would take braces and missing hyphens as well."""
    try:
        parsed = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parsed if parsed is not None and str(parsed) == value else None


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
