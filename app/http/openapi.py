"""The OpenAPI document, which follows from the policies of the routes and from what they exchange."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from inspect import getdoc
from typing import Any

from app.domain.refusals import SENTENCES, Refusal
from app.http.answers import JSON
from app.http.components import HEADERS, Object, reference, schemas, security_schemes
from app.http.cookies import Cookies
from app.http.problems import FAILURES, MEDIA_TYPE, STATUS, Problem
from app.http.routing import Answer, Bearer, Parameter, Reason, Route, Routes, SameSite

_DESCRIPTION = """\
Watchword signs people in, keeps their sessions and issues access tokens that any service can check.

Every error is a problem (RFC 9457) with a stable `code`.
Only OAuth endpoints answer the errors of RFC 6749 in the form that it defines.
Access tokens are JWTs (RFC 9068), and their public keys are at `/.well-known/jwks.json`.
A browser keeps its refresh token in a cookie; a native client sends it in the body.
"""
_USUAL_HEADERS = ("Cache-Control", "X-Request-ID")
_HEADERS_OF: Mapping[Reason, tuple[str, ...]] = {
    Refusal.TOO_MANY_REQUESTS: ("RateLimit", "RateLimit-Policy", "Retry-After"),
    Refusal.OVERLOADED: ("Retry-After",),
    Refusal.UNAVAILABLE: ("Retry-After",),
    Refusal.REFRESH_TOKEN_EXPIRED: ("Set-Cookie",),
    Refusal.REFRESH_TOKEN_REUSED: ("Set-Cookie",),
    Refusal.SESSION_REVOKED: ("Set-Cookie",),
}
_ANY_REQUEST: tuple[Reason, ...] = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_ANY_BODY: tuple[Reason, ...] = (
    Refusal.INVALID_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


def document(modules: Sequence[Routes[Any]], *, issuer: str, version: str) -> Object:
    """The document of these routes, served below the issuer."""
    routes = [route for module in modules for route in module.routes]
    paths: defaultdict[str, Object] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Watchword",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": issuer.removesuffix("/")}],
        "tags": [{"name": module.tag, "description": module.about} for module in modules],
        "paths": dict(paths),
        "components": {
            "schemas": schemas(
                (route.body.form for route in routes if route.body.form is not None),
                (answer.model for route in routes for answer in route.policy.answers if answer.model),
                _codes(routes),
            ),
            "responses": {_camel(FAILURES[status].code): _failure(status) for status in _common_failures()},
            "headers": HEADERS,
            "securitySchemes": security_schemes(Cookies.of(issuer)),
        },
    }


def _operation(route: Route[Any, Any]) -> Object:
    summary, _, description = (getdoc(route.handle) or "").partition("\n\n")
    operation: Object = {
        "tags": [route.tag],
        "summary": summary.removesuffix("."),
        "operationId": route.operation_id,
        "security": _security(route),
        "responses": _responses(route),
    }
    if description:
        operation["description"] = description
    if parameters := [*_path_parameters(route.path), *map(_parameter, route.policy.parameters)]:
        operation["parameters"] = parameters
    if route.body.form is not None:
        schema = reference("schemas", route.body.form.__name__)
        if not route.body.is_required:
            schema = {"anyOf": [schema, *_EMPTY]}
        content = {route.body.media_type: {"schema": schema}}
        operation["requestBody"] = {"content": content, "required": route.body.is_required}
    return operation


# The JSON that counts as no body.
_EMPTY: list[Object] = [
    {"type": "object", "maxProperties": 0, "additionalProperties": False},
    {"type": "null"},
]


def _path_parameters(path: str) -> Iterable[Object]:
    """The parameters in braces: ids and numbers."""
    identifier, number = {"type": "string", "format": "uuid"}, {"type": "integer", "minimum": 0}
    for name in re.findall(r"\{(\w+)\}", path):
        schema = identifier if name.endswith("_id") else number
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> Object:
    schema = {"type": "string", "pattern": parameter.pattern}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": schema,
    }


def _security(route: Route[Any, Any]) -> list[dict[str, list[str]]]:
    """The ways to authenticate; the empty one stands for a body or for none."""
    policy = route.policy
    if policy.bearer is Bearer.REQUIRED:
        return [{"bearer": []}]
    ways: list[dict[str, list[str]]] = []
    if policy.same_site is SameSite.WITH_COOKIE:
        ways.append({"refreshTokenCookie": []})
    if policy.bearer is Bearer.OPTIONAL:
        ways.append({"bearer": []})
    if policy.takes_basic:
        ways.append({"basic": []})
    return [*ways, {}] if ways else []


def _responses(route: Route[Any, Any]) -> Object:
    reasons: defaultdict[HTTPStatus, list[Reason]] = defaultdict(list)
    for reason in _reasons(route):
        reasons[_status(reason)].append(reason)
    found = {answer.status: _answer(answer) for answer in route.policy.answers}
    for status, listed in reasons.items():
        is_common = listed == [status] and status in _common_failures()
        if status in found:
            found[status] = _either(found[status], _problem(status, listed))
        elif is_common:
            found[status] = reference("responses", _camel(FAILURES[status].code))
        else:
            found[status] = _problem(status, listed)
    return {str(status.value): found[status] for status in sorted(found)}


def _reasons(route: Route[Any, Any]) -> Iterable[Reason]:
    """Why this route refuses: what it states, and what follows from its policy."""
    policy = route.policy
    if policy.bearer is Bearer.REQUIRED:
        yield Refusal.INVALID_TOKEN
    if policy.same_site is not SameSite.NEVER:
        yield Refusal.CROSS_SITE_REQUEST
    yield from policy.refuses
    yield from _ANY_REQUEST
    if route.body.form is not None:
        yield from _ANY_BODY if route.body.media_type == JSON else (HTTPStatus.REQUEST_ENTITY_TOO_LARGE,)


def _answer(answer: Answer) -> Object:
    described: Object = {
        "description": answer.description,
        "headers": _headers({*_USUAL_HEADERS, *answer.headers}),
    }
    if answer.model is not None:
        described["content"] = {answer.media_type: {"schema": reference("schemas", answer.model.__name__)}}
    return described


def _problem(status: HTTPStatus, reasons: Sequence[Reason]) -> Object:
    """The problems of one status: ``code`` is an enum of what the route answers with it."""
    codes = [_code(reason) for reason in reasons]
    headers = {*_USUAL_HEADERS, *(name for reason in reasons for name in _HEADERS_OF.get(reason, ()))}
    if status is HTTPStatus.UNAUTHORIZED:
        headers.add("WWW-Authenticate")
    narrowed = {"properties": {"code": {"type": "string", "enum": codes}}, "required": ["code"]}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": _headers(headers),
        "content": {
            MEDIA_TYPE: {
                "schema": {"allOf": [reference("schemas", Problem.__name__), {"type": "object", **narrowed}]},
                "examples": {_code(reason): {"value": _example(status, reason)} for reason in reasons},
            }
        },
    }


def _either(answer: Object, problem: Object) -> Object:
    """A status that a route answers in its own words, and HTTP itself with a problem."""
    return {
        "description": f"{answer['description']} Or {problem['description']}.",
        "headers": answer["headers"] | problem["headers"],
        "content": answer["content"] | problem["content"],
    }


def _failure(status: HTTPStatus) -> Object:
    return _problem(status, [status])


def _common_failures() -> tuple[HTTPStatus, ...]:
    return tuple(reason for reason in (*_ANY_REQUEST, *_ANY_BODY) if isinstance(reason, HTTPStatus))


def _example(status: HTTPStatus, reason: Reason) -> Object:
    detail = SENTENCES[reason] if isinstance(reason, Refusal) else FAILURES[reason].detail
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": _code(reason),
        "detail": detail,
    }


def _codes(routes: Sequence[Route[Any, Any]]) -> list[str]:
    """Every code that a client may meet, in the order of the catalogues."""
    stated = {reason for route in routes for reason in _reasons(route)}
    return [refusal.value for refusal in Refusal if refusal in stated] + [
        failure.code for failure in FAILURES.values()
    ]


def _status(reason: Reason) -> HTTPStatus:
    return STATUS[reason] if isinstance(reason, Refusal) else reason


def _code(reason: Reason) -> str:
    return reason.value if isinstance(reason, Refusal) else FAILURES[reason].code


def _headers(names: Iterable[str]) -> Object:
    return {name: reference("headers", name) for name in sorted(names)}


def _camel(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("_"))
