"""contract/tokens is what the tool writes, and the service's own verification reaches the same verdicts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.crypto.access_tokens import Verifier, parse_jws
from app.domain.access_tokens import TokenPolicy, parse_claims
from tools.vectors import FOLDER, files


def vectors(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return document


def cases(name: str) -> list[Any]:
    document = vectors(name)
    return [pytest.param(document, case, id=f"{name} {case['name']}") for case in document["tokens"]]


def accepted(document: dict[str, Any], token: str) -> bool:
    leeway = timedelta(seconds=document["leeway"])
    policy = TokenPolicy(document["issuer"], document["audience"], timedelta(minutes=15), leeway)
    verifier = Verifier({key["kid"]: key for key in document["jwks"]["keys"]})
    jws = parse_jws(token)
    payload = None if jws is None else verifier.payload(jws)
    now = datetime.fromtimestamp(document["now"], UTC)
    return payload is not None and parse_claims(payload, policy, now=now) is not None


def test_the_committed_vectors_are_those_that_the_tool_writes() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == files(), "run: make vectors"


@pytest.mark.requirement("T1", "T3", "T5", "T8")
@pytest.mark.parametrize(("document", "case"), [*cases("good.json"), *cases("bad.json")])
def test_the_service_reaches_the_verdict_of_each_vector(
    document: dict[str, Any], case: dict[str, Any]
) -> None:
    assert accepted(document, case["token"]) is (case["verdict"] == "accepted")


@pytest.mark.parametrize(("document", "case"), cases("elsewhere.json"))
def test_the_service_refuses_what_it_never_issues(document: dict[str, Any], case: dict[str, Any]) -> None:
    assert not accepted(document, case["token"])
