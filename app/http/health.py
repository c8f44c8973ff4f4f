"""``GET /livez`` and ``GET /readyz``."""

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.http.openapi import answers
from app.http.schemas import LivenessResponse, ReadinessResponse
from app.http.use_cases import use_cases

router = APIRouter(tags=["health"])


@router.get("/livez", responses=answers(LivenessResponse))
async def livez() -> Response:
    """The process answers."""
    return _answer(200, {"status": "alive"})


@router.get(
    "/readyz",
    responses=answers(ReadinessResponse)
    | {503: answers(ReadinessResponse)[200] | {"description": "Not ready."}},
)
async def readyz(request: Request) -> Response:
    """Whether requests should come here: Postgres and the keys are needed, Redis is reported."""
    health = await use_cases(request).readiness()
    parts = {part: "ok" if works else "failing" for part, works in health._asdict().items()}
    if health.is_ready:
        return _answer(200, {"status": "ready", **parts})
    return _answer(503, {"status": "not ready", **parts})


def _answer(status: int, body: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, media_type="application/json")
