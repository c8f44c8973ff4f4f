"""Answers: each is a frozen dataclass, which orjson serialises and OpenAPI documents.

A field that defaults to None is left out of the JSON while it is None.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeAlias
from uuid import UUID

import orjson
from pydantic import ConfigDict, JsonValue, RootModel
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.domain.clock import timestamp
from app.domain.keys import Algorithm
from app.domain.sessions import ClientKind

JSON = "application/json"
_NO_STORE = {"Cache-Control": "no-store"}
# orjson leaves out the fraction of a whole second.
_PASSED_ON = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

Omittable: TypeAlias = str | SkipJsonSchema[None]
OmittableTexts: TypeAlias = tuple[str, ...] | SkipJsonSchema[None]
Part: TypeAlias = Literal["ok", "failing"]


def encode(answer: object) -> bytes:
    """The answer as JSON."""
    return orjson.dumps(answer, default=_encodable, option=_PASSED_ON)


def private(answer: object, status: int = 200) -> Response:
    """The answer as a response that no cache may keep (RFC 6749 section 5.1)."""
    return Response(encode(answer), status, _NO_STORE, media_type=JSON)


def no_content() -> Response:
    """The response when there is nothing to say beyond success."""
    return Response(status_code=204, headers=_NO_STORE)


def _encodable(answer: Any) -> dict[str, object] | str:  # noqa: ANN401 - orjson passes what it does not know
    if isinstance(answer, datetime):
        return timestamp(answer)
    if isinstance(answer, UUID):
        # The database driver's ids are of a subclass, which orjson does not take.
        return str(answer)
    values = ((name, getattr(answer, name), omittable) for name, omittable in _fields(answer.__class__))
    return {name: value for name, value, omittable in values if value is not None or not omittable}


@cache
def _fields(kind: type) -> tuple[tuple[str, bool], ...]:
    return tuple((field.name, field.default is None) for field in fields(kind))


def documented(**example: JsonValue) -> ConfigDict:
    """How OpenAPI documents an answer: with the texts below its fields, and with an example if any."""
    return ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [example]} if example else None
    )


@dataclass(frozen=True, slots=True)
class BrowserTokens:
    """Tokens for a browser. The refresh token is in the cookie and never in the body."""

    __pydantic_config__ = documented(access_token="eyJhbGciOi…", token_type="Bearer", expires_in=900) | {
        # So that no answer is both: a native client's tokens have a refresh token beside these fields.
        "extra": "forbid"
    }

    access_token: str
    """A signed JWT (RFC 9068), to send as `Authorization: Bearer`."""
    token_type: Literal["Bearer"]
    expires_in: int
    """Lifetime of the access token in seconds."""


@dataclass(frozen=True, slots=True)
class NativeTokens:
    """Tokens for a native client (RFC 6749 section 5.1). No cookie is set."""

    __pydantic_config__ = documented(
        access_token="eyJhbGciOi…",
        token_type="Bearer",
        expires_in=900,
        refresh_token="wwr_AUk3…",
        refresh_expires_in=2592000,
    )

    access_token: str
    """A signed JWT (RFC 9068), to send as `Authorization: Bearer`."""
    token_type: Literal["Bearer"]
    expires_in: int
    """Lifetime of the access token in seconds."""
    refresh_token: str
    """Single use: each refresh answers its successor."""
    refresh_expires_in: int
    """Seconds until the session ends, however often it is refreshed."""
    device_token: Omittable = None
    """Present when `device_token` was sent at login: send this one at the next login."""


class TokenResponse(RootModel[BrowserTokens | NativeTokens]):
    """New tokens. A refresh token is answered the way it came: by cookie or in the body."""

    model_config = ConfigDict(json_schema_extra=lambda schema: schema.update(oneOf=schema.pop("anyOf")))


@dataclass(frozen=True, slots=True)
class Account:
    """The account as the service knows it now."""

    __pydantic_config__ = documented(
        id="0b8f5a1e-3f4e-4d3c-9a51-6b0c8a3f2d10",
        email="alice@example.com",
        roles=["admin"],
        created_at="2026-11-23T11:50:49.123456Z",
    )

    id: UUID
    """The `sub` of its access tokens."""
    email: str
    roles: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A living session of the account."""

    __pydantic_config__ = documented(
        id="6a0f0c52-7d0e-4b5e-8f0a-0d8a3b7c9e21",
        client="browser",
        created_at="2026-11-23T11:50:49.123456Z",
        last_used_at="2026-11-23T12:05:10.654321Z",
        address="203.0.113.7",
        user_agent="Firefox on Linux",
        current=True,
    )

    id: UUID
    """The `sid` of its access tokens."""
    client: ClientKind
    created_at: datetime
    last_used_at: datetime
    """Time of the login or of the last refresh."""
    address: str | None
    """The address it was last used from."""
    user_agent: str | None
    """The browser and system in words, or null when they are not recognised."""
    current: bool
    """Whether the access token of this request belongs to it."""


@dataclass(frozen=True, slots=True)
class SessionList:
    """The account's living sessions, the one used last first."""

    sessions: tuple[Session, ...]


@dataclass(frozen=True, slots=True)
class Jwk:
    """A public key (RFC 7517 section 4): `n` and `e` for RSA, `crv` and `x` for EC and OKP, `y` for EC."""

    __pydantic_config__ = documented()

    kty: Literal["RSA", "EC", "OKP"]
    use: Literal["sig"]
    alg: Algorithm
    kid: str
    """The RFC 7638 thumbprint."""
    n: Omittable = None
    e: Omittable = None
    crv: Omittable = None
    x: Omittable = None
    y: Omittable = None


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JWK Set (RFC 7517 section 5)."""

    keys: tuple[Jwk, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Authorization server metadata (RFC 8414 section 2)."""

    issuer: str
    jwks_uri: str
    response_types_supported: tuple[str, ...]
    grant_types_supported: tuple[str, ...]
    subject_types_supported: tuple[str, ...]
    id_token_signing_alg_values_supported: tuple[Algorithm, ...]
    token_endpoint: Omittable = None
    token_endpoint_auth_methods_supported: OmittableTexts = None
    token_endpoint_auth_signing_alg_values_supported: OmittableTexts = None
    introspection_endpoint: Omittable = None
    introspection_endpoint_auth_methods_supported: OmittableTexts = None
    introspection_endpoint_auth_signing_alg_values_supported: OmittableTexts = None
    revocation_endpoint: Omittable = None
    revocation_endpoint_auth_methods_supported: OmittableTexts = None
    revocation_endpoint_auth_signing_alg_values_supported: OmittableTexts = None
    status_list_aggregation_endpoint: Omittable = None


@dataclass(frozen=True, slots=True)
class Liveness:
    """The process answers."""

    status: Literal["alive"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service can work, and the state of each part."""

    __pydantic_config__ = documented()

    status: Literal["ready", "not ready", "draining"]
    postgres: Part
    keys: Part
    clock: Part
    """It fails when it differs from the clock of Postgres by more than the leeway."""
    redis: Part
    """Reported only: the service works without Redis."""
    log: Part
    """Reported only: it fails when lines were dropped, and none was written since."""
