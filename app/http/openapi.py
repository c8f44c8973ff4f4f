"""What a route can answer, for the OpenAPI document."""

from collections import defaultdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from app.domain.refusals import Refusal
from app.http.problems import FAILURES, MEDIA_TYPE, STATUS
from app.http.schemas import ProblemResponse

BEARER: dict[str, list[str]] = {"bearer": []}
"""The security requirement of a route that takes an access token."""

_PROBLEM = {MEDIA_TYPE: {"schema": ProblemResponse.model_json_schema()}}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "`not_found`", "content": _PROBLEM}}
_ANY_FAILURES = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
_BODY_FAILURES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


class DocumentedApp(FastAPI):
    """FastAPI, whose document also says what a bearer token is."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        document.setdefault("components", {})["securitySchemes"] = {"bearer": scheme}
        return document


def answers(
    model: type[BaseModel] | None, *refusals: Refusal, media_type: str = "application/json"
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses: the good answer, each refusal by its status, and what HTTP itself may refuse."""
    codes = defaultdict(list)
    for refusal in refusals:
        codes[STATUS[refusal]].append(f"`{refusal}`")
    failures = _ANY_FAILURES + (_BODY_FAILURES if Refusal.INVALID_REQUEST in refusals else ())
    described = {status: ", ".join(names) for status, names in codes.items()}
    described |= {status: f"`{FAILURES[status].code}`" for status in failures}
    documented: dict[int | str, dict[str, Any]] = {
        status.value: {"description": text, "content": _PROBLEM} for status, text in described.items()
    }
    if model is not None:
        content = {media_type: {"schema": model.model_json_schema()}}
        documented[200] = {"description": "Done.", "content": content}
    return documented
