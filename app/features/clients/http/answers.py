"""Answers of the OAuth endpoints, in the form of their RFCs."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.features.clients.domain import INTROSPECT, OAuthErrorCode, OAuthRefused
from app.features.clients.services.introspect import TokenFacts
from app.features.clients.services.issue import IssuedToken
from app.http.answers import JSON, Omittable, documented, encode, private
from app.http.routing import Answer

_CHALLENGES: Mapping[OAuthErrorCode, tuple[HTTPStatus, str]] = {
    OAuthErrorCode.INVALID_CLIENT: (HTTPStatus.UNAUTHORIZED, 'Basic realm="watchword"'),
    OAuthErrorCode.INVALID_TOKEN: (HTTPStatus.UNAUTHORIZED, 'Bearer error="invalid_token"'),
    OAuthErrorCode.INSUFFICIENT_SCOPE: (HTTPStatus.FORBIDDEN, 'Bearer error="insufficient_scope"'),
}


@dataclass(frozen=True, slots=True)
class OAuthError:
    """An error of an OAuth endpoint (RFC 6749 section 5.2, RFC 6750 section 3.1)."""

    __pydantic_config__ = documented(
        error="invalid_client", error_description="The credentials of the client are not valid."
    )

    error: OAuthErrorCode
    error_description: str
    """The error in one sentence, for people."""


@dataclass(frozen=True, slots=True)
class ClientAccessToken:
    """An access token of a service client (RFC 6749 section 5.1)."""

    __pydantic_config__ = documented(
        access_token="eyJhbGciOi…", token_type="Bearer", expires_in=900, scope="introspect"
    )

    access_token: str
    """A signed JWT (RFC 9068), to send as `Authorization: Bearer`."""
    token_type: Literal["Bearer"]
    expires_in: int
    """Lifetime of the access token in seconds."""
    scope: str
    """The scopes of the token, separated by spaces."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """Whether a token is active, and what it says if it is (RFC 7662 section 2.2)."""

    __pydantic_config__ = documented(active=False)

    active: bool
    scope: Omittable = None
    """The scopes of a service client's token, separated by spaces."""
    client_id: Omittable = None
    """The service client, or `browser` or `native` for a token of a session."""
    token_type: Omittable = None
    """`Bearer` for an access token, `N_A` for a refresh token, which is none."""
    exp: int | SkipJsonSchema[None] = None
    iat: int | SkipJsonSchema[None] = None
    sub: Omittable = None
    """The account of a session, or the service client."""
    aud: Omittable = None
    iss: Omittable = None
    jti: Omittable = None


REFUSED = Answer("The request is refused, in the form of RFC 6749.", OAuthError, HTTPStatus.BAD_REQUEST)
UNPROVED = Answer(
    "The client did not prove who it is, in the form of RFC 6749.",
    OAuthError,
    HTTPStatus.UNAUTHORIZED,
    headers=("WWW-Authenticate",),
)
UNSCOPED = Answer(
    "The client lacks the scope, in the form of RFC 6750.",
    OAuthError,
    HTTPStatus.FORBIDDEN,
    headers=("WWW-Authenticate",),
)


def token(issued: IssuedToken) -> Response:
    """The response with a new access token."""
    response = private(ClientAccessToken(issued.text, "Bearer", issued.expires_in, " ".join(issued.scopes)))
    response.headers["Pragma"] = "no-cache"
    return response


def introspection(facts: TokenFacts | None) -> Response:
    """The response about a token; nothing but ``active`` when it is not."""
    if facts is None:
        return private(Introspection(active=False))
    return private(
        Introspection(
            active=True,
            scope=facts.scope,
            client_id=facts.client_id,
            token_type=facts.token_type,
            exp=facts.exp,
            iat=facts.iat,
            sub=facts.sub,
            aud=facts.aud,
            iss=facts.iss,
            jti=facts.jti,
        )
    )


def error(refused: OAuthRefused, scope: str = INTROSPECT) -> Response:
    """The response to a refusal; RFC 9110 section 15.5.2 requires a challenge with every 401.

    ``scope`` is the one that the route asks for.
    """
    status, challenge = _CHALLENGES.get(refused.fault, (HTTPStatus.BAD_REQUEST, None))
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    if refused.fault is OAuthErrorCode.INSUFFICIENT_SCOPE:
        challenge = f'{challenge}, scope="{scope}"'
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    body = encode(OAuthError(refused.fault, refused.description))
    return Response(body, status.value, headers, media_type=JSON)
