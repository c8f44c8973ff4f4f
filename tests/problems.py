"""What every error looks like from outside."""

from typing import Any
from uuid import uuid4

import httpx

MEMBERS = {"type", "title", "status", "code", "detail"}


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, after a look at all that problems have in common."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() - {"errors"} == MEMBERS
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert problem["title"]
    assert problem["detail"]
    return problem


def marker() -> str:
    """A text that no answer contains by itself."""
    return f"zq{uuid4().hex}"


def everything(answer: httpx.Response) -> str:
    """All that a client receives, to look for what must not be in it."""
    lines = [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in answer.headers.raw]
    return "\n".join([answer.reason_phrase, *lines, answer.text]).lower()
