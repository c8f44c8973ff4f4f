"""Keys: ``GET /.well-known/jwks.json``, and how a public document is served."""

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from starlette.responses import Response

from app.domain.keys import MAX_AGE
from app.domain.refusals import Refusal
from app.http.answers import KeySet
from app.http.headers import Headers
from app.http.routing import Answer, Call, Routes
from app.services.keys import KeyRing

MEDIA_TYPE = "application/jwk-set+json"
PUBLIC = ("Cache-Control", "ETag")
"""The headers of a public document, which caches may keep."""
NOT_MODIFIED = Answer("Not modified.", status=HTTPStatus.NOT_MODIFIED, headers=PUBLIC)

_MOST_DOCUMENTS = 16


@dataclass(frozen=True, slots=True)
class KeyCases:
    """The use cases of these routes."""

    keys: KeyRing


route = Routes(KeyCases, "keys", "The public keys of access tokens.")


@route.get(
    "/.well-known/jwks.json",
    Answer("The key set.", KeySet, headers=PUBLIC, media_type=MEDIA_TYPE),
    NOT_MODIFIED,
    refuses=(Refusal.UNAVAILABLE,),
)
async def key_set(call: Call[KeyCases, None]) -> Response:
    """Answer the public keys that access tokens are checked with (RFC 7517 section 5)."""
    keys = call.cases.keys.key_set()
    return published(call.headers, keys.document, keys.etag, MEDIA_TYPE)


def published(
    request: Headers, document: bytes, etag: str, media_type: str, max_age: int = MAX_AGE
) -> Response:
    """A public document, which caches may keep for ``max_age`` seconds, or 304 when the client has it."""
    if _matches(request.getlist("if-none-match"), etag):
        return _not_modified(etag, max_age)
    return _whole(document, etag, media_type, max_age)


# A response is only read when it is sent, so the same one serves until the document changes.
@lru_cache(_MOST_DOCUMENTS)
def _whole(document: bytes, etag: str, media_type: str, max_age: int) -> Response:
    return Response(document, headers=_headers(etag, max_age), media_type=media_type)


@lru_cache(_MOST_DOCUMENTS)
def _not_modified(etag: str, max_age: int) -> Response:
    return Response(status_code=304, headers=_headers(etag, max_age))


def _headers(etag: str, max_age: int) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": f"public, max-age={max_age}"}


def _matches(fields: list[str], etag: str) -> bool:
    """Whether ``If-None-Match`` names the validator, compared weakly (RFC 9110 section 13.1.2)."""
    if not fields or etag in fields:
        return bool(fields)
    candidates = [candidate.strip().removeprefix("W/") for field in fields for candidate in field.split(",")]
    return etag in candidates or "*" in candidates
