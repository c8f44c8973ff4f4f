"""Status lists: ``GET /status/{number}``, and their addresses at ``GET /status``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.domain.statuses import list_uri
from app.features.status_lists.domain import FRESH_FOR, TOKEN_TYPE
from app.features.status_lists.services import StatusLists
from app.http.answers import JSON, documented, encode
from app.http.keys import NOT_MODIFIED, PUBLIC, published
from app.http.routing import Answer, Call, Routes
from app.services.keys import validator

MEDIA_TYPE = f"application/{TOKEN_TYPE}"
_MAX_AGE = int(FRESH_FOR.total_seconds())
_NUMBER = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StatusListCases:
    """The use cases of these routes, and the issuer of the lists."""

    lists: StatusLists
    issuer: str


@dataclass(frozen=True, slots=True)
class StatusListAddresses:
    """The addresses of all status lists."""

    __pydantic_config__ = documented(status_lists=["https://auth.example.com/status/0"])

    status_lists: tuple[str, ...]


route = Routes(StatusListCases, "status lists", "Which sessions have ended, for services that check tokens.")


@route.get(
    "/status/{number}",
    Answer("The status list, a signed JWT.", headers=PUBLIC, media_type=MEDIA_TYPE),
    NOT_MODIFIED,
    refuses=(HTTPStatus.NOT_FOUND, Refusal.UNAVAILABLE),
)
async def status_list(call: Call[StatusListCases, None]) -> Response:
    """Answer a list of the sessions that have ended (draft-ietf-oauth-status-list section 8).

    An access token names its list and its place in it. The bit at that place is 1 once its session has ended.
    """
    number = call.request.path_params["number"]
    found = await call.cases.lists.published(int(number)) if _NUMBER.fullmatch(number) else None
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return published(call.headers, found.document, found.etag, MEDIA_TYPE, _MAX_AGE)


@route.get(
    "/status",
    Answer("The addresses of the lists.", StatusListAddresses, headers=PUBLIC),
    NOT_MODIFIED,
    refuses=(Refusal.UNAVAILABLE,),
)
async def status_list_addresses(call: Call[StatusListCases, None]) -> Response:
    """Answer the addresses of all status lists (draft-ietf-oauth-status-list section 9)."""
    numbers = await call.cases.lists.numbers()
    document = encode(StatusListAddresses(tuple(list_uri(call.cases.issuer, number) for number in numbers)))
    return published(call.headers, document, validator(document), JSON, _MAX_AGE)


def metadata(issuer: str) -> Mapping[str, Any]:
    """The field that these routes add to the metadata of this issuer."""
    return {"status_list_aggregation_endpoint": f"{issuer.removesuffix('/')}/status"}
