"""Credentials: how a client presents its tokens, and how it is given new ones."""

import re

from starlette.responses import Response

from app.domain.sessions import ClientKind
from app.http.answers import BrowserTokens, NativeTokens, private
from app.http.bodies import RefreshTokenBody
from app.http.cookies import Cookies
from app.http.headers import Headers
from app.http.problems import FieldError, InvalidRequest
from app.services.open_session import TokenPair

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = "[A-Za-z0-9._~:+/=-]{16,64}"
IDEMPOTENCY_KEY_PATTERN = f'^(?:"{_KEY}"|{_KEY})$'
"""A String of Structured Fields (draft-ietf-httpapi-idempotency-key-header-07 section 2.1), or the key alone.

Many clients send no quotes. The alphabet has nothing that quotes would escape, so both forms hold one key.
"""


def bearer(headers: Headers) -> str | None:
    """The access token of the ``Authorization`` header (RFC 6750 section 2.1)."""
    presented = headers.getlist("authorization")
    scheme, _, token = presented[0].partition(" ") if len(presented) == 1 else ("", "", "")
    return token if scheme.lower() == "bearer" else None


def refresh_token(cookie: str | None, body: RefreshTokenBody | None) -> tuple[str | None, ClientKind]:
    """The refresh token and the kind of client that sends it this way; both ways at once are refused."""
    if cookie is not None and body is not None:
        raise InvalidRequest(FieldError("refresh_token", "cookie_and_body"))
    return (cookie, ClientKind.BROWSER) if body is None else (body.refresh_token, ClientKind.NATIVE)


def idempotency_key(headers: Headers) -> str | None:
    """The client's ``Idempotency-Key``, or None when it sends none; refused unless it is one key."""
    presented = headers.getlist(IDEMPOTENCY_KEY)
    if not presented:
        return None
    # RFC 9110 section 5.3: several lines are one list, and a comma is in no key.
    value = ",".join(presented)
    if re.fullmatch(IDEMPOTENCY_KEY_PATTERN, value) is None:
        advice = (
            "Send the header once, with 16 to 64 letters, digits or . _ ~ : + / = -, in quotes or without."
        )
        raise InvalidRequest(FieldError(IDEMPOTENCY_KEY, "string_pattern_mismatch", advice=advice))
    return value.strip('"')


def tokens(pair: TokenPair, cookies: Cookies) -> Response:
    """The response with new tokens; a refresh token goes back only the way it came."""
    minted = pair.access_token
    if pair.client is ClientKind.NATIVE:
        return private(
            NativeTokens(
                minted.text,
                "Bearer",
                minted.expires_in,
                pair.refresh_token,
                minted.session_expires_in,
                pair.device,
            )
        )
    response = private(BrowserTokens(minted.text, "Bearer", minted.expires_in))
    cookies.give(response, pair.refresh_token, minted.session_expires_in)
    if pair.device is not None:
        cookies.give_device(response, pair.device)
    return response
