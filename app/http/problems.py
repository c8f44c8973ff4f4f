"""Problems: every error as ``application/problem+json`` (RFC 9457), with a stable code and no input in it."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

import orjson
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused
from app.domain.throttling import TooManyRequests

MEDIA_TYPE = "application/problem+json"


class Problem(NamedTuple):
    """What a refusal looks like from outside."""

    status: HTTPStatus
    detail: str


_UNAUTHORIZED, _UNAVAILABLE = HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE

PROBLEMS: Mapping[Refusal, Problem] = {
    Refusal.INVALID_CREDENTIALS: Problem(_UNAUTHORIZED, "The e-mail address or the password is wrong."),
    Refusal.ACCOUNT_DISABLED: Problem(_UNAUTHORIZED, "This account is disabled."),
    Refusal.REFRESH_TOKEN_MISSING: Problem(_UNAUTHORIZED, "No refresh token came, by cookie or in the body."),
    Refusal.REFRESH_TOKEN_INVALID: Problem(_UNAUTHORIZED, "The refresh token is not one of ours."),
    Refusal.REFRESH_TOKEN_EXPIRED: Problem(_UNAUTHORIZED, "The session is over; sign in again."),
    Refusal.REFRESH_TOKEN_REUSED: Problem(
        _UNAUTHORIZED, "The refresh token had been used before, so its session was ended; sign in again."
    ),
    Refusal.SESSION_REVOKED: Problem(_UNAUTHORIZED, "The session was ended; sign in again."),
    Refusal.INVALID_TOKEN: Problem(
        _UNAUTHORIZED, "The access token is missing, expired, revoked or not one of ours."
    ),
    Refusal.CROSS_SITE_REQUEST: Problem(HTTPStatus.FORBIDDEN, "Requests from other sites are refused."),
    Refusal.TOO_MANY_REQUESTS: Problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests; try again later."),
    Refusal.INVALID_REQUEST: Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The request is not of the form that this route takes."
    ),
    Refusal.OVERLOADED: Problem(_UNAVAILABLE, "Too much is going on; try again in a moment."),
    Refusal.UNAVAILABLE: Problem(_UNAVAILABLE, "The service cannot answer now; try again in a moment."),
}
"""The one table from refusals to answers."""
if PROBLEMS.keys() != set(Refusal):
    raise AssertionError("a refusal has no problem")


class Failure(NamedTuple):
    """What HTTP itself refuses, with its code and its words."""

    code: str
    detail: str


FAILURES: Mapping[HTTPStatus, Failure] = {
    HTTPStatus.BAD_REQUEST: Failure("bad_request", "This is not a request that can be understood."),
    HTTPStatus.NOT_FOUND: Failure("not_found", "There is nothing at this path."),
    HTTPStatus.METHOD_NOT_ALLOWED: Failure("method_not_allowed", "This path does not take this method."),
    HTTPStatus.REQUEST_TIMEOUT: Failure("request_timeout", "The request took too long to arrive."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Failure("payload_too_large", "The body is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Failure(
        "unsupported_media_type", "A body has to be application/json."
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: Failure("headers_too_large", "The headers are too large."),
    HTTPStatus.INTERNAL_SERVER_ERROR: Failure("internal_error", "Something went wrong here; it was logged."),
}


class InvalidField(NamedTuple):
    """A field of a body that was refused: its name in our schema, and why, in pydantic's word or a rule's.

    ``advice`` is a sentence for whoever typed it, where there is one.
    """

    field: str
    reason: str
    advice: str | None = None


def refused(refused: Refused, errors: Sequence[InvalidField] = ()) -> Response:
    """The answer to a refusal."""
    problem = PROBLEMS[refused.refusal]
    headers = {}
    if problem.status is HTTPStatus.UNAUTHORIZED:
        # RFC 9110 section 15.5.2 wants a challenge with every 401; RFC 6750 section 3 has its words.
        invalid = refused.refusal is Refusal.INVALID_TOKEN
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if invalid else "Bearer"
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    if isinstance(refused, TooManyRequests):
        headers |= _rate_limit(refused)
    return _response(problem.status, refused.refusal.value, problem.detail, headers, errors)


def _rate_limit(refused: TooManyRequests) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers: what the budget allows, and where it is used up."""
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
    """The answer to what HTTP itself refuses, such as an unknown path."""
    code, detail = FAILURES[status]
    return _response(status, code, detail, headers or {})


def _response(
    status: HTTPStatus,
    code: str,
    detail: str,
    headers: Mapping[str, str],
    errors: Sequence[InvalidField] = (),
) -> Response:
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
    }
    if errors:
        body["errors"] = [
            {name: value for name, value in error._asdict().items() if value is not None} for error in errors
        ]
    return Response(
        orjson.dumps(body), status.value, {"Cache-Control": "no-store", **headers}, media_type=MEDIA_TYPE
    )
