"""``GET /sessions`` and ``DELETE /sessions/{session_id}``."""

from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.http.openapi import BEARER, NOT_FOUND, answers
from app.http.schemas import SessionsResponse
from app.http.sessions import require_bearer
from app.http.use_cases import use_cases
from app.http.visitors import in_words, visitor

router = APIRouter(tags=["sessions"])


@router.get(
    "/sessions",
    openapi_extra={"security": [BEARER]},
    responses=answers(SessionsResponse, Refusal.INVALID_TOKEN, Refusal.UNAVAILABLE),
)
async def own_sessions(request: Request) -> Response:
    """The account's living sessions, the one used last first, and at most a hundred of them."""
    sessions, current = await use_cases(request).own_sessions.all(require_bearer(request.headers))
    listed = [
        {
            "id": str(session.id),
            "client": session.client,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "address": session.address,
            "user_agent": in_words(session.user_agent),
            "current": session.id == current,
        }
        for session in sessions
    ]
    body = orjson.dumps({"sessions": listed})
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.delete(
    "/sessions/{session_id}",  # noqa: FAST003 - for a declared one FastAPI documents a 422 that never comes
    status_code=204,
    openapi_extra={
        "security": [BEARER],
        "parameters": [{"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
    responses=NOT_FOUND | answers(None, Refusal.INVALID_TOKEN, Refusal.UNAVAILABLE),
)
async def end_session(request: Request) -> Response:
    """End a session of the account, with all its access tokens."""
    session_id = _id(request.path_params["session_id"])
    access_token = require_bearer(request.headers)
    if not await use_cases(request).own_sessions.end(access_token, session_id, visitor(request)):
        raise HTTPException(404)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _id(text: str) -> UUID:
    """A session's id; what is none is the id of no session."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
