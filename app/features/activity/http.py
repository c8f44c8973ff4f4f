"""Recent activity: ``GET /me/activity``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import WithJsonSchema
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.features.activity.domain import SHOWN
from app.features.activity.services import Activity, ShownEvent
from app.http.answers import documented, private
from app.http.routing import Answer, Bearer, Call, Parameter, Routes


@dataclass(frozen=True, slots=True)
class ActivityCases:
    """The use cases of these routes."""

    activity: Activity


@dataclass(frozen=True, slots=True)
class ActivityEvent:
    """A security event of the account."""

    __pydantic_config__ = documented(
        id="b3J4Zz1mV0n2QhJ8y5cPqkS7tLwXaDrUeHiGfNoMvYxB9K4s",
        at="2026-11-26T20:15:30.123456Z",
        kind="login.failed",
        actor="visitor",
        reason="wrong_password",
        address="203.0.113.7",
        session_id=None,
        current=False,
    )

    id: str
    """Opaque; `before` takes it."""
    at: datetime
    kind: Annotated[str, WithJsonSchema({"type": "string", "enum": list(SHOWN)})]
    actor: str | None
    """Who caused it: `visitor`, `owner`, `operator` or `service`; null for an event of an older release."""
    reason: str | None
    """How it came about, where the kind alone does not tell."""
    address: str | None
    """The address that the request came from; null for an event without a request."""
    session_id: UUID | None
    """The session that it belongs to, or null."""
    current: bool
    """Whether it belongs to the session of the access token."""


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """Security events of the account, the newest first."""

    __pydantic_config__ = documented()

    events: tuple[ActivityEvent, ...]
    next: str | None
    """Send it as `before` to get the next page; null on the last page."""


route = Routes(ActivityCases, "activity", "The recent security events of the account.")


@route.get(
    "/me/activity",
    Answer("The events, at most fifty.", ActivityPage),
    parameters=(
        Parameter(
            "query",
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
    return private(ActivityPage(tuple(map(_answer, page.events)), page.next))


def _answer(shown: ShownEvent) -> ActivityEvent:
    event = shown.event
    return ActivityEvent(
        id=shown.id,
        at=event.position.at,
        kind=event.kind,
        actor=event.actor,
        reason=event.reason,
        address=event.address,
        session_id=event.session_id,
        current=shown.current,
    )
