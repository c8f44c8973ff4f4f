"""The token in a request, and the answer to a request that is turned away. For any framework."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from watchword_verifier.errors import (
    Forbidden,
    InvalidToken,
    MalformedRequest,
    MissingToken,
    Rejected,
    StepUpRequired,
    Unavailable,
)

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*) *", re.ASCII)
"""RFC 6750 section 2.1, with the scheme in any case (RFC 9110 section 11.1)."""
_SCHEME = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr](?: |$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer."""

    status: HTTPStatus
    detail: str
    """For the body."""
    headers: dict[str, str]


def bearer_token(authorization: Sequence[str]) -> str:
    """The token in the values of all ``Authorization`` headers of a request. Nowhere else is looked for one.

    Raises:
        MissingToken: There is none, or of another scheme.
        MalformedRequest: There is more than one header, or the value has no valid form.
    """
    if len(authorization) > 1:
        raise MalformedRequest
    value = authorization[0] if authorization else ""
    if not _SCHEME.match(value):
        raise MissingToken
    token = _BEARER.fullmatch(value)
    if token is None:
        raise MalformedRequest
    return token[1]


def refusal_of(rejected: Rejected) -> Refusal:
    """The answer to a request that is turned away (RFC 6750 section 3, RFC 9470 section 3)."""
    match rejected:
        case MissingToken():
            return _challenge(HTTPStatus.UNAUTHORIZED, "An access token is required.")
        case MalformedRequest():
            return _challenge(
                HTTPStatus.BAD_REQUEST, "The Authorization header is malformed.", error="invalid_request"
            )
        case InvalidToken():
            return _challenge(
                HTTPStatus.UNAUTHORIZED,
                "The access token is expired, revoked or not valid.",
                error="invalid_token",
            )
        case StepUpRequired(max_age=max_age):
            return _challenge(
                HTTPStatus.UNAUTHORIZED,
                "A more recent sign-in is required.",
                error="insufficient_user_authentication",
                max_age=str(max_age),
            )
        case Forbidden(scopes=scopes):
            named = {"scope": " ".join(scopes)} if scopes else {}
            return _challenge(
                HTTPStatus.FORBIDDEN,
                "The access token does not allow this.",
                error="insufficient_scope",
                **named,
            )
        case Unavailable(retry_after=retry_after):
            return Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The access token cannot be checked now; try again later.",
                {"Retry-After": str(retry_after), "Cache-Control": "no-store"},
            )
        case _:
            raise TypeError(f"{type(rejected).__name__} has no answer")


def _challenge(status: HTTPStatus, detail: str, **parameters: str) -> Refusal:
    if "error" in parameters:
        parameters = {"error": parameters.pop("error"), "error_description": detail} | parameters
    written = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    headers = {"WWW-Authenticate": f"Bearer {written}".strip(), "Cache-Control": "no-store"}
    return Refusal(status, detail, headers)
