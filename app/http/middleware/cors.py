"""Cross-origin resource sharing, with an exact list of origins."""

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.refusals import Refusal, Refused
from app.http import problems


class _RefusingCors(CORSMiddleware):
    """Starlette's CORS, with a problem as the answer to a refused preflight."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight (Fetch section 3.2.2)."""
        response = super().preflight_response(request_headers)
        if response.status_code == HTTPStatus.OK:
            return response
        return problems.refused(Refused(Refusal.CROSS_SITE_REQUEST))


class _PublicCors(_RefusingCors):
    """The same headers with an Origin or without, so that one cached answer serves all clients."""

    async def send(
        self,
        message: Message,
        send: Send,
        request_headers: Headers,  # noqa: ARG002 - the headers do not depend on them
    ) -> None:
        """Send a message of the response."""
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(self.simple_headers)
        await send(message)


class Cors(_RefusingCors):
    """CORS with an exact allow-list.

    The documents under ``/.well-known/`` are for every page, without credentials.
    """

    def __init__(self, app: ASGIApp, *, origins: frozenset[str]) -> None:
        super().__init__(
            app,
            allow_origins=sorted(origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "DELETE"],
            # Scripts that trace or monitor a page add headers to each of its requests.
            allow_headers=["*"],
            expose_headers=[
                "RateLimit",
                "RateLimit-Policy",
                "Retry-After",
                "WWW-Authenticate",
                "X-Request-ID",
            ],
            max_age=600,
        )
        self._public = _PublicCors(
            app, allow_origins=["*"], allow_headers=["*"], expose_headers=["ETag"], max_age=600
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith("/.well-known/"):
            await self._public(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
