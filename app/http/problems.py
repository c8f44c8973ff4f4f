"""Problems: every error as ``application/problem+json`` (RFC 9457), with a stable code and no input in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, NamedTuple

from pydantic.json_schema import SkipJsonSchema
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused
from app.domain.throttling import TooManyRequests
from app.http.answers import Omittable, documented, encode

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """A part of the request that was refused. Its value is never repeated."""

    __pydantic_config__ = documented(
        field="new_password",
        reason="common",
        advice="Use several unrelated words instead of a password that many people have.",
    )

    field: str
    """The field of the body, the parameter, the header, or the cookie; empty for the body as a whole."""
    reason: str
    """Why, for programs: a type of pydantic's, a rule for passwords, or another word."""
    allowed: tuple[str, ...] | SkipJsonSchema[None] = None
    """The values that the field may have, or the fields that the body may have."""
    advice: Omittable = None
    """What to do about it, in a sentence for people."""


class InvalidRequest(Refused):
    """A request that does not have the form of its route, and the parts that are to blame."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Problem:
    """An error (RFC 9457). Programs decide by `code`."""

    __pydantic_config__ = documented()

    type: Literal["about:blank"]
    title: str
    """The phrase of the status."""
    status: int
    code: str
    detail: str
    """The error in one sentence, for people."""
    errors: tuple[FieldError, ...] | SkipJsonSchema[None] = None
    """The parts that were refused, with `invalid_request` only."""


_UNAUTHORIZED, _UNAVAILABLE = HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE
_NOT_FOUND, _CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY

STATUS: Mapping[Refusal, HTTPStatus] = {
    Refusal.INVALID_CREDENTIALS: _UNAUTHORIZED,
    Refusal.ACCOUNT_DISABLED: _UNAUTHORIZED,
    Refusal.REFRESH_TOKEN_MISSING: _UNAUTHORIZED,
    Refusal.REFRESH_TOKEN_INVALID: _UNAUTHORIZED,
    Refusal.REFRESH_TOKEN_EXPIRED: _UNAUTHORIZED,
    Refusal.REFRESH_TOKEN_REUSED: _UNAUTHORIZED,
    Refusal.SESSION_REVOKED: _UNAUTHORIZED,
    Refusal.INVALID_TOKEN: _UNAUTHORIZED,
    Refusal.CROSS_SITE_REQUEST: HTTPStatus.FORBIDDEN,
    Refusal.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    Refusal.INVALID_REQUEST: _UNPROCESSABLE,
    Refusal.OVERLOADED: _UNAVAILABLE,
    Refusal.UNAVAILABLE: _UNAVAILABLE,
    Refusal.ACCOUNT_UNKNOWN: _NOT_FOUND,
    Refusal.EMAIL_INVALID: _UNPROCESSABLE,
    Refusal.EMAIL_TAKEN: _CONFLICT,
    Refusal.ROLE_INVALID: _UNPROCESSABLE,
    Refusal.ROLES_TOO_LONG: _UNPROCESSABLE,
    Refusal.LIMITS_NOT_SHARED: _UNAVAILABLE,
    Refusal.KEY_UNKNOWN: _NOT_FOUND,
    Refusal.KEY_SEALED: _CONFLICT,
    Refusal.KEYS_INCOMPLETE: _CONFLICT,
    Refusal.KEYS_CHANGED: _CONFLICT,
    Refusal.STANDBY_TOO_YOUNG: _CONFLICT,
    Refusal.CLIENT_UNKNOWN: _NOT_FOUND,
    Refusal.CLIENT_NAME_INVALID: _UNPROCESSABLE,
    Refusal.CLIENT_NAME_TAKEN: _CONFLICT,
    Refusal.CLIENT_KEYS_INVALID: _UNPROCESSABLE,
    Refusal.SCOPE_INVALID: _UNPROCESSABLE,
    Refusal.SCOPES_TOO_LONG: _UNPROCESSABLE,
}
"""The one table from refusals to statuses."""
assert STATUS.keys() == set(Refusal)  # noqa: S101 - a forgotten status is an import error


class Failure(NamedTuple):
    """An error of HTTP itself: its code and its sentence."""

    code: str
    detail: str


FAILURES: Mapping[HTTPStatus, Failure] = {
    HTTPStatus.BAD_REQUEST: Failure("bad_request", "The request is malformed."),
    HTTPStatus.FORBIDDEN: Failure(
        "preflight_refused",
        "Pages of this origin may not send this request; the service's log names what is not allowed.",
    ),
    HTTPStatus.NOT_FOUND: Failure("not_found", "There is no resource at this path."),
    HTTPStatus.METHOD_NOT_ALLOWED: Failure("method_not_allowed", "This path does not support this method."),
    HTTPStatus.REQUEST_TIMEOUT: Failure("request_timeout", "The request took too long to arrive."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Failure("payload_too_large", "The body is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Failure(
        "unsupported_media_type", "The content type of the body must be application/json."
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: Failure("headers_too_large", "The headers are too large."),
    HTTPStatus.INTERNAL_SERVER_ERROR: Failure(
        "internal_error", "The service failed; the error has been logged."
    ),
}


def refused(refused: Refused, errors: Sequence[FieldError] = ()) -> Response:
    """The response to a refusal."""
    status = STATUS[refused.refusal]
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        # RFC 9110 section 15.5.2 requires a challenge with every 401, RFC 6750 section 3 defines it.
        invalid = refused.refusal is Refusal.INVALID_TOKEN
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if invalid else "Bearer"
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    if isinstance(refused, TooManyRequests):
        headers |= _rate_limit(refused)
    return _response(status, refused.refusal.value, refused.sentence, headers, errors)


def _rate_limit(refused: TooManyRequests) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers: the limits of the budget, and the one used up."""
    names = {
        limit: f'"{refused.budget.name}-{int(limit.window.total_seconds())}"'
        for limit in refused.budget.limits
    }
    policies = [
        f"{name};q={limit.amount};w={int(limit.window.total_seconds())}" for limit, name in names.items()
    ]
    return {
        "RateLimit-Policy": ", ".join(policies),
        "RateLimit": f"{names[refused.limit]};r=0;t={refused.opens_in}",
    }


def failed(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    """The response to an error of HTTP itself, such as an unknown path."""
    code, detail = FAILURES[status]
    return _response(status, code, detail, headers or {})


def _response(
    status: HTTPStatus,
    code: str,
    detail: str,
    headers: Mapping[str, str],
    errors: Sequence[FieldError] = (),
) -> Response:
    body = Problem("about:blank", status.phrase, status.value, code, detail, tuple(errors) or None)
    return Response(
        encode(body), status.value, {"Cache-Control": "no-store", **headers}, media_type=MEDIA_TYPE
    )
