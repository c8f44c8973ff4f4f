"""Service clients: what they are, what they may ask for, and which assertions prove who they are.

RFC 6749 defines the client credentials grant, RFC 7523 the assertions, as draft-ietf-oauth-rfc7523bis
updates them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from app.domain.access_tokens import TokenPolicy, canonical_uuid, numeric_date
from app.domain.events import Actor, Event, EventKind, by_visitor
from app.domain.visitors import Visitor

INTROSPECT = "introspect"
"""The scope of clients that may ask about tokens."""
ASSERTION_JWT = "client-authentication+jwt"
"""The ``typ`` of an assertion."""
LONGEST_ASSERTION = timedelta(minutes=5)
"""How far ahead the ``exp`` of an assertion may lie."""
MAX_SCOPES_SIZE = 1024
"""Bytes of the scopes of a client, joined by spaces."""
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_SCOPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}", re.ASCII)
_LONGEST_JTI = 256


class OAuthErrorCode(StrEnum):
    """Why a request is refused, in the words of RFC 6749 section 5.2 and RFC 6750 section 3.1."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TOKEN = "invalid_token"
    INSUFFICIENT_SCOPE = "insufficient_scope"


class OAuthRefused(Exception):
    """A refusal in the form of RFC 6749 section 5.2; the description is ASCII, and repeats no input."""

    def __init__(self, fault: OAuthErrorCode, description: str) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.description = description


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret as it is stored: the SHA-256 of its text. ``used_at`` is right to the minute."""

    digest: bytes = field(repr=False)
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Client:
    """A service client: its valid secrets, the newest first, and its public keys (RFC 7517).

    ``signing_kid`` names the key that signs access tokens at the moment when the client was read.
    """

    id: UUID
    name: str
    scopes: tuple[str, ...]
    secrets: tuple[ClientSecret, ...]
    keys: tuple[Mapping[str, str], ...]
    created_at: datetime
    signing_kid: str | None


@dataclass(frozen=True, slots=True)
class Assertion:
    """What the claims of an assertion say, once its signature is verified."""

    client_id: UUID
    jti: str
    expires_at: datetime


def is_name(text: str) -> bool:
    """Whether a client may be called this."""
    return _NAME.fullmatch(text) is not None


def is_scope(text: str) -> bool:
    """Whether an operator may grant this scope; RFC 6749 section 3.3 allows more."""
    return _SCOPE.fullmatch(text) is not None


def size_of(scopes: Sequence[str]) -> int:
    """The bytes that the scopes take in the ``scope`` of a token."""
    return len(" ".join(scopes))


def granted_scopes(client: Client, requested: str | None) -> tuple[str, ...]:
    """The scopes of a new token: those requested, or all of the client's (RFC 6749 section 3.3)."""
    wanted = client.scopes if requested is None else tuple(requested.split(" "))
    if not wanted:
        raise OAuthRefused(OAuthErrorCode.INVALID_SCOPE, "The client has no scope.")
    if not set(wanted) <= set(client.scopes):
        raise OAuthRefused(
            OAuthErrorCode.INVALID_SCOPE, "The client does not have every scope that it asks for."
        )
    return tuple(scope for scope in client.scopes if scope in wanted)


def claims(
    client: Client, scopes: Sequence[str], policy: TokenPolicy, token_id: str, *, now: datetime
) -> dict[str, object]:
    """The payload of a client's access token (RFC 9068 section 2.2); times are integer seconds."""
    issued_at = int(now.timestamp())
    return {
        "iss": policy.issuer,
        "aud": policy.audience,
        "sub": str(client.id),
        "iat": issued_at,
        "nbf": issued_at - int(policy.leeway.total_seconds()),
        "exp": issued_at + int(policy.lifetime.total_seconds()),
        "jti": token_id,
        "client_id": str(client.id),
        "scope": " ".join(scopes),
    }


def claimed_client(payload: Mapping[str, object] | None) -> UUID | None:
    """The client that an assertion claims to come from: ``iss`` and ``sub`` (RFC 7523 section 3)."""
    if payload is None or payload.get("iss") != payload.get("sub"):
        return None
    return canonical_uuid(payload.get("iss"))


def parse_assertion(payload: Mapping[str, object], policy: TokenPolicy, *, now: datetime) -> Assertion | None:
    """The assertion whose verified signature covers this payload, or None when a claim does not hold.

    ``aud`` is the issuer alone, as one string, so that an assertion for another server never works here
    (draft-ietf-oauth-rfc7523bis section 4). ``exp`` may lie five minutes ahead. Boundaries have one leeway.
    """
    sender, token_id = claimed_client(payload), payload.get("jti")
    if sender is None or payload.get("aud") != policy.issuer:
        return None
    if not isinstance(token_id, str) or not 0 < len(token_id) <= _LONGEST_JTI or not token_id.isascii():
        return None
    expires_at = numeric_date(payload.get("exp"))
    others = [numeric_date(payload[name]) for name in ("iat", "nbf") if name in payload]
    if expires_at is None or None in others:
        return None
    seconds, leeway = now.timestamp(), policy.leeway.total_seconds()
    if seconds >= expires_at + leeway or expires_at > seconds + LONGEST_ASSERTION.total_seconds() + leeway:
        return None
    if any(moment is not None and moment > seconds + leeway for moment in others):
        return None
    return Assertion(sender, token_id, datetime.fromtimestamp(expires_at, UTC))


def failed(visitor: Visitor, kind: EventKind, client: UUID | None) -> Event:
    """An event of a request that did not prove to come from the client that it names."""
    event = by_visitor(visitor, kind, None)
    return event if client is None else event.with_details(client_id=str(client))


def by_client(visitor: Visitor, kind: EventKind, client: str) -> Event:
    """An event caused by a request that a client authenticated."""
    return Event(kind, Actor.CLIENT, client, address=visitor.address, request_id=visitor.request_id)
