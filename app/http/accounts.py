"""``GET /me``."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.http.openapi import BEARER, answers
from app.http.schemas import AccountResponse
from app.http.sessions import require_bearer
from app.http.use_cases import use_cases

router = APIRouter(tags=["accounts"])


@router.get(
    "/me",
    openapi_extra={"security": [BEARER]},
    responses=answers(AccountResponse, Refusal.INVALID_TOKEN, Refusal.UNAVAILABLE),
)
async def me(request: Request) -> Response:
    """The account that the access token speaks for."""
    account = (await use_cases(request).who_am_i(require_bearer(request.headers))).account
    body = {
        "id": str(account.id),
        "email": account.email,
        "roles": account.roles,
        "created_at": account.created_at,
    }
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
