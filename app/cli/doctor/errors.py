"""``errors``: whether the service's refusals reach the client unchanged."""

from dataclasses import dataclass
from http import HTTPStatus

from app.cli.doctor.client import Answer, NoAnswer, describe, json_object
from app.cli.doctor.findings import Finding, ok, problem, warning
from app.http.problems import MEDIA_TYPE

_OTHER_PROGRAM = (
    "the program that answers is not the service, or something in front of it answers in its place"
)


@dataclass(frozen=True, slots=True)
class Expected:
    """A request that the service refuses, and the harm if it is answered otherwise."""

    request: str
    status: HTTPStatus
    code: str
    harm: str
    subject: str = "errors"


UNKNOWN_PATH = Expected("An unknown path", HTTPStatus.NOT_FOUND, "not_found", _OTHER_PROGRAM)
WRONG_METHOD = Expected("GET /login", HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", _OTHER_PROGRAM)
FORM = Expected(
    "A login by a form",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "unsupported_media_type",
    "a form on any site can sign its visitor in to another account; let the proxy pass Content-Type on",
)
LARGE_BODY = Expected(
    "A body of 20 KiB",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "payload_too_large",
    "something in front of the service changes the body, or accepts bodies of any size",
)


def check_refusal(expected: Expected, answer: Answer) -> Finding:
    """Check that a request was refused with the expected status and code."""
    subject, request, status = expected.subject, expected.request, expected.status.value
    if isinstance(answer, NoAnswer):
        return problem(
            subject,
            f"{request}: no answer came ({answer.reason}), but the service refuses with {status}. Clients "
            "see a broken connection and retry. Let the proxy pass the refusal on.",
        )
    if answer.status_code != status:
        return problem(subject, f"{request}: {answer.status_code} came instead of {status}: {expected.harm}.")
    media_type = str(answer.headers.get("content-type"))
    if (json_object(answer) or {}).get("code") != expected.code or not media_type.startswith(MEDIA_TYPE):
        return warning(
            subject,
            f"{request}: something in front of the service refuses in its place ({describe(answer)}), so "
            f"clients find no code {expected.code}. Let the proxy pass errors on unchanged.",
        )
    return ok(subject, f"{request}: refused with {status} {expected.code}.")
