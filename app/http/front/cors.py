"""Cross-origin resource sharing, with an exact list of origins."""

from http import HTTPStatus

import structlog
from starlette.responses import PlainTextResponse, Response

from app.http import problems
from app.http.headers import Headers
from app.http.origins import Origins, shortened

_METHODS = ("GET", "POST", "DELETE")
_READABLE = ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID")
_MAX_AGE = "600"
_ASKS = "access-control-request-"
_PUBLIC = ("/.well-known/", "/status")
_VARY = (b"vary", b"Origin")
_PREFLIGHT_VARY = (
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, "
    "Access-Control-Request-Private-Network"
)
_UNLISTED = "list the origin in AUTH_ALLOWED_ORIGINS, or in AUTH_NATIVE_ORIGINS if it is an app in a web view"
_NO_ROUTE = "use a method that a route takes; the origin is listed"
_log = structlog.get_logger()

RawHeaders = tuple[tuple[bytes, bytes], ...]


class _Policy:
    """What pages of these origins may do, or pages of every origin where ``origins`` is None."""

    def __init__(
        self,
        origins: frozenset[str] | None,
        readable: tuple[str, ...],
        *,
        methods: tuple[str, ...] = _METHODS,
        credentials: bool = False,
    ) -> None:
        self.origins = origins
        self.methods = methods
        self.credentials = credentials
        shown: RawHeaders = ((b"access-control-expose-headers", ", ".join(readable).encode()),)
        if credentials:
            shown = ((b"access-control-allow-credentials", b"true"), *shown)
        # The same headers with an Origin or without, so that one cached answer serves all clients.
        self._absent = self._unlisted = ((b"access-control-allow-origin", b"*"), *shown)
        self._listed: dict[str, RawHeaders] = {}
        if origins is not None:
            self._absent, self._unlisted = (_VARY,), (*shown, _VARY)
            self._listed = {
                origin: (*shown, (b"access-control-allow-origin", origin.encode()), _VARY)
                for origin in origins
            }

    def headers(self, origin: str | None) -> RawHeaders:
        """What a response carries for a page of this origin, or for a client that names none."""
        return self._absent if origin is None else self._listed.get(origin, self._unlisted)

    def granted(self, headers: Headers) -> Response:
        """The response to a preflight that is granted.

        Every header may be sent: scripts that trace or monitor a page add some to each of its requests.
        """
        granted = {"Vary": _PREFLIGHT_VARY}
        if self.origins is None:
            granted["Access-Control-Allow-Origin"] = "*"
        granted |= {
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Access-Control-Max-Age": _MAX_AGE,
        }
        if self.credentials:
            granted["Access-Control-Allow-Credentials"] = "true"
        if self.origins is not None:
            granted["Access-Control-Allow-Origin"] = headers.get("origin")
        if f"{_ASKS}headers" in headers:
            granted["Access-Control-Allow-Headers"] = headers.get(f"{_ASKS}headers")
        if f"{_ASKS}private-network" in headers:
            granted["Access-Control-Allow-Private-Network"] = "true"
        return PlainTextResponse("OK", headers=granted)


class Cors:
    """CORS with exact lists of origins (Fetch section 3.2).

    Pages of allowed origins send cookies. Apps in a web view do not, so they get no credentials.
    The documents under ``/.well-known/`` and the status lists are for every page, without credentials.
    """

    def __init__(self, origins: Origins) -> None:
        self._origins = origins
        self._browsers = _Policy(origins.allowed, _READABLE, credentials=True)
        # An origin of both lists is a frontend's, too.
        self._native = _Policy(origins.native - origins.allowed, _READABLE)
        self._public = _Policy(None, ("ETag",), methods=("GET",))

    def headers(self, path: str, headers: Headers) -> RawHeaders:
        """What every response to a request carries, unless it is a preflight."""
        return self._policy(path, headers).headers(headers.get("origin") if "origin" in headers else None)

    def preflight(self, path: str, headers: Headers) -> Response | None:
        """The response to an OPTIONS request that is a preflight (Fetch section 3.2.2), or None."""
        if "origin" not in headers or f"{_ASKS}method" not in headers:
            return None
        policy = self._policy(path, headers)
        origin, method = headers.get("origin"), headers.get(f"{_ASKS}method")
        is_listed = policy.origins is None or origin in policy.origins
        if is_listed and method in policy.methods:
            return policy.granted(headers)
        _log.info(
            "http.preflight_refused",
            origin=shortened(origin),
            method=shortened(method),
            headers=shortened(headers.get(f"{_ASKS}headers")),
            mend=_NO_ROUTE if is_listed else _UNLISTED,
        )
        return problems.failed(HTTPStatus.FORBIDDEN)

    def _policy(self, path: str, headers: Headers) -> _Policy:
        if path.startswith(_PUBLIC):
            return self._public
        if self._origins.is_native(headers) and headers.get("origin") not in self._origins.allowed:
            return self._native
        return self._browsers
