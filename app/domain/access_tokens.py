"""Access tokens: their claims, and the rules by which presented claims are accepted (RFC 9068)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

from app.domain.sessions import ClientKind, SessionGrant
from app.domain.statuses import reference

TOKEN_TYPE = "at+jwt"
# With the longest signature, a token is never longer than verifiers of this service read.
MAX_ROLES_SIZE = 4096
"""Bytes of the roles of an account, as ``size_of`` counts them."""
MAX_NAME_SIZE = 256
"""Bytes of the issuer, and of the audience."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*", re.ASCII)
"""RFC 6749 section 3.3."""
_YEAR_10000 = 253_402_300_800
"""Its first second since 1970; ``datetime`` cannot represent it."""


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """The issuer and audience of access tokens, their lifetime, and the leeway between clocks.

    With ``names_status``, a token says where its session stands in the status lists.
    """

    issuer: str
    audience: str
    lifetime: timedelta
    leeway: timedelta
    names_status: bool = False

    @property
    def revocation_ttl(self) -> timedelta:
        """How long a revocation is kept: after it, no verifier with our leeway accepts an older token."""
        return self.lifetime + 2 * self.leeway


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A verified access token of a session."""

    token_id: str
    session_id: UUID
    account_id: UUID
    client: ClientKind
    roles: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime

    @property
    def revocable_ids(self) -> tuple[str, ...]:
        """The ids under which the token may have been revoked: ``jti`` and ``sid``."""
        return self.token_id, str(self.session_id)


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A verified access token of a service client, which acts for itself and has no session.

    Its ``sub`` is its ``client_id`` (RFC 9068 section 2.2).
    """

    token_id: str
    client_id: str
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime

    @property
    def revocable_ids(self) -> tuple[str, ...]:
        """The ids under which the token may have been revoked: ``jti``, and that of a deleted client."""
        return self.token_id, self.client_id


AccessToken: TypeAlias = SessionToken | ClientToken


def size_of(claim: str | Sequence[str]) -> int:
    """The bytes that the value of a claim takes in a token, before base64url."""
    return len(json.dumps(claim, ensure_ascii=False, separators=(",", ":")).encode())


def expiry(grant: SessionGrant, policy: TokenPolicy, *, now: datetime) -> datetime:
    """When a token issued now expires: after its lifetime, and never past the end of its session."""
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
        "amr": list(grant.amr),
        **(_status(policy.issuer, grant.status) if policy.names_status and grant.status is not None else {}),
    }


def _status(issuer: str, number: int) -> dict[str, object]:
    """The claim that names a place in a status list (draft-ietf-oauth-status-list section 6)."""
    return {"status": {"status_list": reference(issuer, number)}}


def parse_claims(payload: Mapping[str, object], policy: TokenPolicy, *, now: datetime) -> AccessToken | None:
    """The token whose verified signature covers this payload, or None when a claim does not hold.

    Every claim that we always issue is required with its JSON type. ``exp`` and ``nbf`` are exact at the
    boundary, with one leeway (RFC 7519 sections 4.1.4 and 4.1.5). A token with ``sid`` belongs to a session.
    """
    if payload.get("iss") != policy.issuer or payload.get("aud") != policy.audience:
        return None
    issued_at, not_before, expires_at = (numeric_date(payload.get(name)) for name in ("iat", "nbf", "exp"))
    token_id = payload.get("jti")
    if issued_at is None or not_before is None or expires_at is None or not _is_id(token_id):
        return None
    seconds, leeway = now.timestamp(), policy.leeway.total_seconds()
    if seconds >= expires_at + leeway or seconds < not_before - leeway or seconds < issued_at - leeway:
        return None
    if expires_at - issued_at > policy.lifetime.total_seconds():
        return None
    parse = _session_token if "sid" in payload else _client_token
    times = _Times(datetime.fromtimestamp(issued_at, UTC), datetime.fromtimestamp(expires_at, UTC))
    return parse(payload, str(token_id), times)


class _Times(NamedTuple):
    issued_at: datetime
    expires_at: datetime


def _session_token(payload: Mapping[str, object], token_id: str, times: _Times) -> SessionToken | None:
    client = payload.get("client_id")
    account_id, session_id = canonical_uuid(payload.get("sub")), canonical_uuid(payload.get("sid"))
    if account_id is None or session_id is None or numeric_date(payload.get("auth_time")) is None:
        return None
    if not isinstance(client, str) or client not in tuple(ClientKind):
        return None
    roles = _texts(payload.get("roles", []))
    if roles is None or _texts(payload.get("amr")) is None:
        return None
    return SessionToken(token_id, session_id, account_id, ClientKind(client), roles, *times)


def _client_token(payload: Mapping[str, object], token_id: str, times: _Times) -> ClientToken | None:
    client, scope = payload.get("client_id"), payload.get("scope")
    if not _is_id(client) or client != payload.get("sub") or client in tuple(ClientKind):
        return None
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
        return None
    return ClientToken(token_id, str(client), tuple(scope.split(" ")), *times)


def numeric_date(value: object) -> int | None:
    """A NumericDate in whole seconds (RFC 7519 section 2), or None for any other value."""
    # In Python a boolean is an integer.
    return value if type(value) is int and 0 <= value < _YEAR_10000 else None


def canonical_uuid(value: object) -> UUID | None:
    """A UUID in canonical form; ``UUID()`` alone would also accept braces or missing hyphens."""
    try:
        parsed = UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return parsed if parsed is not None and str(parsed) == value else None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)
