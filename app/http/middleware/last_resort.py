"""The answer to an error that nothing else handles."""

from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems

_log = structlog.get_logger()


class LastResort:
    """Logs an unhandled exception, and answers with a problem unless an answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            raise  # The client is gone, so there is nothing to answer, and the service has not failed.
        except Exception:  # noqa: BLE001 - the client gets an answer to every failure
            _log.exception("http.unhandled")
            if not has_begun:
                await problems.failed(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)
