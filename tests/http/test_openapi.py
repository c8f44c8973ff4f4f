"""The OpenAPI document: it holds together, and the service answers as it says (E8)."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.depth import depth
from tests.support.people import Person, bearing, login
from tests.support.servers import Service

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
    answer = httpx.get(f"{service.url}/openapi.json", trust_env=False, timeout=120)
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


def test_every_documented_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and name != "GET /readyz":
                assert answer["content"].keys() == {"application/problem+json"}, (name, status)


def test_operation_ids_are_there_and_unique(document: dict[str, Any]) -> None:
    ids = Counter(operation["operationId"] for operation in operations(document).values())
    assert len(ids) == len(STATUSES)
    assert set(ids.values()) == {1}


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
    """Run it with every check in every phase; what it has to say, once it found nothing."""
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


@pytest.mark.parametrize("examples", depth(20, 200))
def test_schemathesis_finds_no_answer_that_the_document_does_not_promise(
    service: Service, tmp_path: Path, examples: int
) -> None:
    said = schemathesis(service, tmp_path, examples)
    assert f"{len(STATUSES)} selected" in said
    # Parts that it cannot read it leaves out.
    assert "Unresolvable references" not in said


@pytest.mark.parametrize("examples", depth(20, 200))
async def test_schemathesis_finds_none_with_an_access_token_either(
    service: Service, client: httpx.AsyncClient, person: Person, tmp_path: Path, examples: int
) -> None:
    token = (await login(client, person)).json()["access_token"]
    header = f"Authorization:{bearing(token)['Authorization']}"
    said = schemathesis(service, tmp_path, examples, "--include-path=/me", "--header", header)
    assert "Authentication failed" not in said
