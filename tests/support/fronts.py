"""The front before an application of a test's own."""

from starlette.types import ASGIApp

from app.http.front import Front, Rules
from app.http.front.cors import Cors
from app.http.front.login_queue import LoginQueue
from app.http.front.request_log import RequestLog
from app.http.front.security_headers import security_headers
from app.http.origins import Origins
from tests.support.servers import ISSUER


def front(app: ASGIApp, log: RequestLog | None = None) -> Front:
    """The front without endpoints, so that every request reaches the application."""
    rules = Rules(
        Cors(Origins(ISSUER, ())), LoginQueue(frozenset()), log or RequestLog(), security_headers(None)
    )
    return Front(app, {}, rules)
