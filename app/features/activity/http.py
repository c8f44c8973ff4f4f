"""``GET /me/activity``."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.features.activity.domain import SHOWN
from app.features.activity.services import Activity
from app.http.openapi import BEARER, answers
from app.http.sessions import require_bearer
from app.http.use_cases import cases_of

router = APIRouter(tags=["activity"])

_BEFORE = {
    "name": "before",
    "in": "query",
    "description": "The `next` of the page before, or the `id` of an event; without it, the newest events.",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{48}$"},
}


@dataclass(frozen=True, slots=True)
class ActivityCases:
    """The use cases of these routes."""

    activity: Activity


class ActivityEventResponse(BaseModel):
    """A security event; ``current`` when it belongs to the session of the access token."""

    id: str
    at: str
    kind: Annotated[str, WithJsonSchema({"type": "string", "enum": list(SHOWN)})]
    address: str | None
    session_id: str | None
    current: bool


class ActivityResponse(BaseModel):
    """At most 50 events, the newest first; ``next`` is null on the last page."""

    events: Annotated[
        list[dict[str, Any]],
        WithJsonSchema({"type": "array", "items": ActivityEventResponse.model_json_schema()}),
    ]
    next: str | None


@router.get(
    "/me/activity",
    openapi_extra={"security": [BEARER], "parameters": [_BEFORE]},
    responses=answers(ActivityResponse, Refusal.INVALID_TOKEN, Refusal.INVALID_REQUEST, Refusal.UNAVAILABLE),
)
async def my_activity(request: Request) -> Response:
    """The security events of the account, the newest first."""
    activity = cases_of(request, ActivityCases).activity
    page = await activity(require_bearer(request.headers), request.query_params.get("before"))
    # An id that the driver read is of a subclass of UUID, which orjson does not take by itself.
    body = orjson.dumps(page, default=str)
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
