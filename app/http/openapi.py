"""What a route can answer, for the OpenAPI document."""

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from app.domain.refusals import Refusal
from app.http.problems import MEDIA_TYPE, PROBLEMS
from app.http.schemas import ProblemResponse

BEARER: dict[str, list[str]] = {"bearer": []}
"""The security requirement of a route that takes an access token."""

_SCHEMA = {MEDIA_TYPE: {"schema": ProblemResponse.model_json_schema()}}
_BODY_FAILURES = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


def answers(model: type[BaseModel] | None, *refusals: Refusal) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses: the good answer, each refusal by its status, and what HTTP itself may refuse."""
    codes = defaultdict(list)
    for refusal in refusals:
        codes[PROBLEMS[refusal].status].append(f"`{refusal}`")
    documented: dict[int | str, dict[str, Any]] = {
        status.value: {"description": ", ".join(codes[status]), "content": _SCHEMA} for status in codes
    }
    if Refusal.INVALID_REQUEST in refusals:
        for status in _BODY_FAILURES:
            documented[status.value] = {"description": status.phrase, "content": _SCHEMA}
    if model is not None:
        documented[200] = {"model": model, "description": "Done."}
    return documented
