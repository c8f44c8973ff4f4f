"""Cross-origin resource sharing, with an exact list of origins."""

from functools import partial
from http import HTTPStatus

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from app.http.origins import Origins, shortened

_METHODS = ["GET", "POST", "DELETE"]
# Scripts that trace or monitor a page add headers to each of its requests.
_ANY_HEADER = ["*"]
_READABLE = ["RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID"]
_MAX_AGE = 600
_UNLISTED = "list the origin in AUTH_ALLOWED_ORIGINS, or in AUTH_NATIVE_ORIGINS if it is an app in a web view"
_NO_ROUTE = "use a method that a route takes; the origin is listed"
_log = structlog.get_logger()


class _RefusingCors(CORSMiddleware):
    """Starlette's CORS, with a problem as the answer to a refused preflight."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight (Fetch section 3.2.2)."""
        response = super().preflight_response(request_headers)
        if response.status_code == HTTPStatus.OK:
            return response
        asked = {
            name: shortened(request_headers.get(f"access-control-request-{name}", ""))
            for name in ("method", "headers")
        }
        origin = request_headers["origin"]
        mend = _NO_ROUTE if self.is_allowed_origin(origin) else _UNLISTED
        _log.info("http.preflight_refused", origin=shortened(origin), **asked, mend=mend)
        return problems.failed(HTTPStatus.FORBIDDEN)


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


class Cors:
    """CORS with exact lists of origins.

    Pages of allowed origins send cookies. Apps in a web view do not, so they get no credentials.
    The documents under ``/.well-known/`` are for every page, without credentials.
    """

    def __init__(self, app: ASGIApp, *, origins: Origins) -> None:
        self._origins = origins
        listed = partial(
            _RefusingCors,
            app,
            allow_methods=_METHODS,
            allow_headers=_ANY_HEADER,
            expose_headers=_READABLE,
            allow_private_network=True,
            max_age=_MAX_AGE,
        )
        self._browsers = listed(allow_origins=sorted(origins.allowed), allow_credentials=True)
        self._native = listed(allow_origins=sorted(origins.native))
        self._public = _PublicCors(
            app,
            allow_origins=["*"],
            allow_headers=_ANY_HEADER,
            expose_headers=["ETag"],
            allow_private_network=True,
            max_age=_MAX_AGE,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith("/.well-known/"):
            await self._public(scope, receive, send)
        elif scope["type"] == "http" and self._is_native(Headers(scope=scope)):
            await self._native(scope, receive, send)
        else:
            await self._browsers(scope, receive, send)

    def _is_native(self, headers: Headers) -> bool:
        """Whether an app in a web view asks. An origin of both lists is a frontend's, too."""
        return self._origins.is_native(headers) and headers["origin"] not in self._origins.allowed
