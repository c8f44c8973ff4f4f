"""The revocation feed: ``GET /revocations``, a stream of server-sent events."""

from dataclasses import dataclass

from starlette.responses import Response

from app.domain.refusals import Refusal, Refused
from app.features.clients.domain import OAuthRefused
from app.features.clients.http.answers import UNSCOPED, error
from app.features.feed.domain import LONGEST_ID, SCOPE
from app.features.feed.services.listen import Listen
from app.http.routing import Answer, Bearer, Call, Parameter, Routes
from app.http.streams import Streamed, StreamHead

MEDIA_TYPE = "text/event-stream"
_HEADERS = {
    "Content-Type": MEDIA_TYPE,  # Without a charset: the format is always UTF-8.
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    # What follows the end of a stream is a new stream, maybe from another process.
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class FeedCases:
    """The use cases of this route."""

    listen: Listen


route = Routes(FeedCases, "revocation feed", "Revocations as they happen, for services that check tokens.")


@route.get(
    "/revocations",
    Answer(
        "A stream of server-sent events, which does not end by itself.",
        media_type=MEDIA_TYPE,
    ),
    UNSCOPED,
    bearer=Bearer.REQUIRED,
    refuses=(Refusal.TOO_MANY_REQUESTS, Refusal.OVERLOADED, Refusal.UNAVAILABLE),
    parameters=(
        Parameter(
            "header",
            "Last-Event-ID",
            "The id of the last event that was received, to get those after it.",
            f"^.{{1,{LONGEST_ID}}}$",
        ),
    ),
)
async def revocation_feed(call: Call[FeedCases, None]) -> Response:
    """Tell of revocations as they happen (HTML Standard section 9.2).

    For service clients with the scope `revocations:read`. The events are `ready`, `session-revoked`,
    `key-retired`, and `reset`, after which the status lists have to be read again.
    """
    leaving = call.request.leaving
    try:
        if call.request.is_head:
            await call.cases.listen.require(call.access_token)
            return StreamHead(_HEADERS)
        if leaving is not None and leaving.is_set():
            raise Refused(Refusal.OVERLOADED, retry_after=1)
        stream = await call.cases.listen(call.access_token, call.headers.get("last-event-id") or None)
    except OAuthRefused as refused:
        return error(refused, SCOPE)
    return Streamed(_HEADERS, stream, leaving)
