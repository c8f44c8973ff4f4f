"""``GET /.well-known/jwks.json``."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.domain.keys import MAX_AGE
from app.domain.refusals import Refusal
from app.http.openapi import answers
from app.http.schemas import KeySetResponse
from app.http.use_cases import use_cases

router = APIRouter(tags=["keys"])

MEDIA_TYPE = "application/jwk-set+json"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is what it was."}}


@router.get(
    "/.well-known/jwks.json",
    responses=UNCHANGED | answers(KeySetResponse, Refusal.UNAVAILABLE, media_type=MEDIA_TYPE),
)
async def key_set(request: Request) -> Response:
    """The keys that access tokens are checked with (RFC 7517 section 5)."""
    keys = use_cases(request).keys.key_set()
    return published(request, keys.document, keys.etag, MEDIA_TYPE)


def published(request: Request, document: bytes, etag: str, media_type: str) -> Response:
    """A public document, or 304 to who has it already."""
    headers = {"ETag": etag, "Cache-Control": f"public, max-age={MAX_AGE}"}
    if _matches(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(document, headers=headers, media_type=media_type)


def _matches(fields: list[str], etag: str) -> bool:
    """Whether ``If-None-Match`` names the validator, compared weakly (RFC 9110 section 13.1.2)."""
    candidates = [candidate.strip().removeprefix("W/") for field in fields for candidate in field.split(",")]
    return etag in candidates or "*" in candidates
