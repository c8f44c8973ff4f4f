"""Limits on the size of a request and on the time that it may take."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from app.http.heads import FAILURE, MAX_HEADERS, headers_size

MAX_BODY = 16 * 1024
BODY_TIMEOUT = 10.0
"""Seconds that a body may take to arrive."""


class RequestLimits:
    """Limits the size of headers and body, and the time that a body may take to arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (refused := _refused_unread(scope)) is not None:
            await problems.failed(refused)(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT
        received, complete = 0, False

        async def receive_limited() -> Message:
            nonlocal received, complete
            try:
                async with asyncio.timeout_at(None if complete else deadline):
                    message = await receive()
            except TimeoutError:
                # RFC 9110 section 15.5.9. The rest of the body may still come, and is no request.
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"}) from None
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received > MAX_BODY:
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return message

        await self._app(scope, receive_limited, send)


def _refused_unread(scope: Scope) -> HTTPStatus | None:
    if FAILURE in scope.get("extensions", ()):
        return HTTPStatus(scope["extensions"][FAILURE]["status"])
    too_large = headers_size(scope["headers"]) > MAX_HEADERS
    return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else None
