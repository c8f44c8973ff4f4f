"""The OpenAPI document: it holds together, and the service answers as it says."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.depth import depth
from tests.support.people import Person, bearing, login
from tests.support.servers import ISSUER, Service

pytestmark = pytest.mark.requirement("E8")

# Requests with a body may also be cut short by HTTP itself.
BODY = {408, 413, 415, 422}
STATUSES = {
    "POST /login": {200, 401, 403, 429, 503} | BODY,
    "POST /refresh": {200, 401, 403, 429, 503} | BODY,
    "POST /logout": {204, 403, 503} | BODY,
    "POST /logout/all": {204, 401, 403, 503} | BODY,
    "POST /password": {200, 401, 403, 429, 503} | BODY,
    "GET /sessions": {200, 401, 503},
    "DELETE /sessions/{session_id}": {204, 401, 404, 503},
    "GET /me": {200, 401, 503},
    "GET /me/activity": {200, 401, 422, 503},
    "GET /verify": {200, 401, 503},
    "POST /token": {200, 400, 401, 408, 413, 429, 503},
    "POST /introspect": {200, 400, 401, 403, 408, 413, 429, 503},
    "POST /revoke": {200, 400, 401, 408, 413, 429, 503},
    "GET /revocations": {200, 401, 403, 429, 503},
    "GET /status": {200, 304, 503},
    "GET /status/{number}": {200, 304, 404, 503},
    "GET /.well-known/jwks.json": {200, 304, 503},
    "GET /.well-known/openid-configuration": {200, 304, 503},
    "GET /.well-known/oauth-authorization-server": {200, 304, 503},
    "GET /livez": {200},
    "GET /readyz": {200, 503},
}
ANY_REQUEST = {431, 500}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    answer = httpx2.get(f"{service.url}/openapi.json", trust_env=False, timeout=120)
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def nodes(part: object) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(part, dict):
        yield part
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from nodes(child)


def answers(document: dict[str, Any], operation: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The answers of an operation by status, with those that are components in place."""
    return {
        int(status): document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        if "$ref" in answer
        else answer
        for status, answer in operation["responses"].items()
    }


def codes(answer: dict[str, Any]) -> set[str]:
    """The codes that a problem may have in this answer."""
    content = answer.get("content", {}).get("application/problem+json", {"schema": {}})
    _, narrowed = content["schema"].get("allOf", (None, {}))
    return set(narrowed["properties"]["code"]["enum"]) if narrowed else set()


def test_the_document_describes_every_route_and_no_other(document: dict[str, Any]) -> None:
    assert operations(document).keys() == STATUSES.keys()


@pytest.mark.parametrize("operation", STATUSES)
def test_every_operation_documents_each_of_its_statuses(document: dict[str, Any], operation: str) -> None:
    documented = {int(status) for status in operations(document)[operation]["responses"]}
    assert documented >= STATUSES[operation]


@pytest.mark.parametrize("operation", STATUSES)
def test_every_operation_documents_the_statuses_that_any_request_may_meet(
    document: dict[str, Any], operation: str
) -> None:
    documented = {int(status) for status in operations(document)[operation]["responses"]}
    assert documented >= ANY_REQUEST


# Errors in the form of RFC 6749 section 5.2; HTTP itself answers 400 with a problem.
OAUTH = {
    *((f"POST /{path}", status) for path in ("token", "introspect", "revoke") for status in (400, 401)),
    ("POST /introspect", 403),
    ("GET /revocations", 403),
}


def test_every_documented_error_is_a_problem_with_its_codes(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, answer in answers(document, operation).items():
            kinds = answer.get("content", {}).keys()
            if (name, status) in OAUTH:
                assert kinds == {"application/json"} | (
                    {"application/problem+json"} if status == 400 else set()
                )
            elif status >= 400 and (name, status) != ("GET /readyz", 503):
                assert kinds == {"application/problem+json"}, (name, status)
                assert codes(answer), (name, status)


# The codes of a status that no other route has, or that a client has to tell apart.
CODES = {
    ("POST /login", 401): {"invalid_credentials", "account_disabled"},
    ("POST /login", 503): {"overloaded", "unavailable"},
    ("POST /refresh", 401): {
        "refresh_token_missing",
        "refresh_token_invalid",
        "refresh_token_expired",
        "refresh_token_reused",
        "session_revoked",
    },
    ("POST /password", 401): {"invalid_token", "invalid_credentials"},
    ("GET /me", 401): {"invalid_token"},
    ("GET /me/activity", 422): {"invalid_request"},
    ("DELETE /sessions/{session_id}", 404): {"not_found"},
    ("GET /status/{number}", 404): {"not_found"},
    ("POST /logout", 403): {"cross_site_request"},
}


@pytest.mark.parametrize(("operation", "status"), CODES)
def test_a_status_documents_exactly_the_codes_of_its_route(
    document: dict[str, Any], operation: str, status: int
) -> None:
    documented = answers(document, operations(document)[operation])[status]
    assert codes(documented) == CODES[operation, status]


def test_the_codes_of_all_problems_are_those_of_the_routes(document: dict[str, Any]) -> None:
    listed = set(document["components"]["schemas"]["ProblemCode"]["enum"])
    of_routes = {
        code
        for operation in operations(document).values()
        for answer in answers(document, operation).values()
        for code in codes(answer)
    }
    # A client that calls a route as documented never meets these.
    assert listed - of_routes == {"method_not_allowed", "preflight_refused"}
    assert of_routes <= listed


def test_bodies_and_answers_are_named_components(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas.keys() == {
        "Account",
        "ActivityEvent",
        "ActivityPage",
        "Algorithm",
        "BrowserTokens",
        "ClientAccessToken",
        "ClientKind",
        "OAuthErrorCode",
        "FieldError",
        "Introspection",
        "IntrospectionForm",
        "Jwk",
        "KeySet",
        "Liveness",
        "LoginBody",
        "Metadata",
        "NativeTokens",
        "OAuthError",
        "PasswordBody",
        "Problem",
        "ProblemCode",
        "Readiness",
        "RefreshTokenBody",
        "RevocationForm",
        "Session",
        "SessionList",
        "StatusListAddresses",
        "TokenForm",
        "TokenResponse",
    }
    referenced = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    assert {f"#/components/schemas/{name}" for name in schemas} <= referenced
    for operation in operations(document).values():
        for answer in answers(document, operation).values():
            for content in answer.get("content", {}).values():
                schema = content["schema"]
                assert "$ref" in schema or "$ref" in schema["allOf"][0]


def test_the_tokens_of_a_browser_and_of_a_native_client_are_told_apart(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    kinds = {reference["$ref"].rpartition("/")[2] for reference in schemas["TokenResponse"]["oneOf"]}
    assert kinds == {"BrowserTokens", "NativeTokens"}
    assert "refresh_token" not in schemas["BrowserTokens"]["properties"]
    assert "refresh_token" in schemas["NativeTokens"]["required"]


def test_a_login_needs_an_address_and_a_password_alone(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["LoginBody"]["required"] == ["email", "password"]


HEADERS = {
    ("POST /login", 200): {"Set-Cookie"},
    ("POST /login", 401): {"WWW-Authenticate"},
    ("POST /login", 429): {"RateLimit", "RateLimit-Policy", "Retry-After"},
    ("POST /login", 503): {"Retry-After"},
    ("POST /token", 400): set[str](),
    ("POST /token", 401): {"WWW-Authenticate"},
    ("POST /introspect", 403): {"WWW-Authenticate"},
    ("GET /revocations", 200): set[str](),
    ("GET /revocations", 403): {"WWW-Authenticate"},
    ("POST /refresh", 401): {"Set-Cookie", "WWW-Authenticate"},
    ("POST /logout", 204): {"Set-Cookie"},
    ("GET /me", 200): set[str](),
    ("GET /me", 503): {"Retry-After"},
    ("GET /verify", 200): {"X-Auth-Subject", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope"},
    ("GET /verify", 401): {"WWW-Authenticate"},
    ("GET /.well-known/jwks.json", 200): {"ETag"},
    ("GET /.well-known/jwks.json", 304): {"ETag"},
    ("GET /status/{number}", 200): {"ETag"},
}


@pytest.mark.parametrize(("operation", "status"), HEADERS)
def test_an_answer_documents_its_headers(document: dict[str, Any], operation: str, status: int) -> None:
    documented = answers(document, operations(document)[operation])[status]["headers"].keys()
    assert documented == HEADERS[operation, status] | {"Cache-Control", "X-Request-ID"}


SECURITY: dict[str, list[set[str]]] = {
    "POST /login": [],
    "POST /token": [{"basic"}, set()],
    "POST /introspect": [{"bearer"}, {"basic"}, set()],
    "POST /revoke": [{"basic"}, set()],
    "POST /refresh": [{"refreshTokenCookie"}, set()],
    "POST /logout": [{"refreshTokenCookie"}, {"bearer"}, set()],
    "POST /logout/all": [{"refreshTokenCookie"}, {"bearer"}, set()],
    "POST /password": [{"bearer"}],
    "GET /sessions": [{"bearer"}],
    "DELETE /sessions/{session_id}": [{"bearer"}],
    "GET /me": [{"bearer"}],
    "GET /verify": [{"bearer"}],
    "GET /revocations": [{"bearer"}],
    "GET /.well-known/jwks.json": [],
    "GET /livez": [],
}


@pytest.mark.parametrize("operation", SECURITY)
def test_an_operation_documents_how_its_caller_is_authenticated(
    document: dict[str, Any], operation: str
) -> None:
    documented = operations(document)[operation]["security"]
    assert [set(requirement) for requirement in documented] == SECURITY[operation]


def test_the_document_says_where_the_service_is_and_what_it_is(document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": ISSUER}]
    assert document["info"]["description"]
    used = {tag for operation in operations(document).values() for tag in operation["tags"]}
    assert {tag["name"] for tag in document["tags"] if tag["description"]} == used


def test_operation_ids_are_unique_and_names_that_a_client_may_have(document: dict[str, Any]) -> None:
    ids = Counter(operation["operationId"] for operation in operations(document).values())
    assert len(ids) == len(STATUSES)
    assert set(ids.values()) == {1}
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in ids)
    assert {"login", "refresh", "logout", "logoutEverywhere"} <= ids.keys()


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def test_every_security_requirement_names_a_declared_scheme(document: dict[str, Any]) -> None:
    required = {
        scheme
        for operation in operations(document).values()
        for requirement in operation.get("security", ())
        for scheme in requirement
    }
    declared = document.get("components", {}).get("securitySchemes", {})
    assert required
    assert required <= declared.keys()


def schemathesis(service: Service, folder: Path, examples: int, *arguments: str) -> str:
    """Run it with every check in every phase; its report, once it found nothing."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{service.url}/openapi.json"]
    # Deterministic: it draws the same requests in every run, and keeps no database of examples.
    bounds = [
        "--generation-deterministic",
        f"--max-examples={examples}",
        "--request-timeout=120",
        "--no-color",
    ]
    whole = ["--checks=all", "--phases=examples,coverage,fuzzing,stateful"]
    done = subprocess.run(
        [*command, *bounds, *whole, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int((re.search(r"(\d+) generated", done.stdout) or [0, 0])[1]) > 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("examples", depth(5, 200))
def test_schemathesis_finds_no_answer_that_the_document_does_not_promise(
    service: Service, tmp_path: Path, examples: int
) -> None:
    report = schemathesis(service, tmp_path, examples)
    assert f"{len(STATUSES)} selected" in report
    # Parts that it cannot read it leaves out.
    assert "Unresolvable references" not in report


@pytest.mark.parametrize("examples", depth(5, 200))
async def test_schemathesis_finds_none_with_an_access_token_either(
    service: Service, client: httpx2.AsyncClient, person: Person, tmp_path: Path, examples: int
) -> None:
    token = (await login(client, person)).json()["access_token"]
    header = f"Authorization:{bearing(token)['Authorization']}"
    report = schemathesis(service, tmp_path, examples, "--include-path=/me", "--header", header)
    assert "Authentication failed" not in report
