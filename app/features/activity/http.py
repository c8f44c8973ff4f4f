"""``GET /me/activity``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import WithJsonSchema
from starlette.responses import Response

from app.domain.events import EventKind
from app.domain.refusals import Refusal
from app.features.activity.domain import SHOWN
from app.features.activity.services import Activity
from app.http.answers import documented, private
from app.http.routing import Answer, Bearer, Call, Query, Routes


@dataclass(frozen=True, slots=True)
class ActivityCases:
    """The use cases of these routes."""

    activity: Activity


@dataclass(frozen=True, slots=True)
class ActivityEvent:
    """A security event of the account."""

    __pydantic_config__ = documented()

    id: str
    at: datetime
    kind: Annotated[EventKind, WithJsonSchema({"type": "string", "enum": list(SHOWN)})]
    address: str | None
    session_id: UUID | None
    current: bool
    """Whether it belongs to the session of the access token."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """At most 50 events, the newest first."""

    __pydantic_config__ = documented()

    events: tuple[ActivityEvent, ...]
    next: str | None
    """The `before` of the next page, or null on the last page."""


route = Routes(ActivityCases, "activity", "The account's own security events.")


@route.get(
    "/me/activity",
    Answer("The events.", ActivityPage),
    query=(
        Query(
            "before",
            "The `next` of the page before, or the `id` of an event. Without it, the newest events.",
            pattern="^[A-Za-z0-9_-]{48}$",
        ),
    ),
    bearer=Bearer.REQUIRED,
    refuses=(Refusal.INVALID_REQUEST, Refusal.UNAVAILABLE),
)
async def list_activity(call: Call[ActivityCases, None]) -> Response:
    """List the security events of the account, the newest first."""
    page = await call.cases.activity(call.access_token, call.request.query_params.get("before"))
    events = tuple(
        ActivityEvent(event.id, event.at, event.kind, event.address, event.session_id, event.current)
        for event in page.events
    )
    return private(ActivityPage(events, page.next))
