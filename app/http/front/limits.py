"""Limits on the size of a request and on the time that its body may take to arrive."""

import asyncio
from collections.abc import Generator
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from app.http.heads import FAILURE

MAX_BODY = 16 * 1024
BODY_TIMEOUT = 10.0
"""Seconds that a body may take to arrive."""


def refused_unread(scope: Scope) -> HTTPStatus | None:
    """Why the server refused a request: it is malformed, say, or its headers are too large."""
    failure = scope.get("extensions", {}).get(FAILURE)
    return None if failure is None else HTTPStatus(failure["status"])


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request.

    Raises HTTPException 413 when it is too large and 408 when it is too slow, and ClientDisconnect.
    """
    deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT
    body, is_complete = b"", False
    while not is_complete:
        try:
            message = await _next(receive, deadline)
        except TimeoutError:
            # RFC 9110 section 15.5.9. The rest of the body may still come, and is no request.
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, headers={"Connection": "close"}) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        is_complete = not message.get("more_body", False)
    return body


async def _next(receive: Receive, deadline: float) -> Message:
    """The next message; raises TimeoutError.

    Most bodies have arrived by now, so a timer, which costs more than all else here, is started only where
    ``receive`` has to wait.
    """
    steps = receive().__await__()
    try:
        awaited = next(steps)
    except StopIteration as arrived:
        message: Message = arrived.value
        return message
    async with asyncio.timeout_at(deadline):
        return await _Begun(steps, awaited)


class _Begun(Generator[Any, Any, Message]):
    """Awaits what has already run to the first thing that it awaits."""

    def __init__(self, steps: Generator[Any, Any, Message], awaited: object) -> None:
        self._steps = steps
        self._awaited = awaited
        self._is_resumed = False

    def __await__(self) -> Generator[Any, Any, Message]:
        return self

    def send(self, value: object) -> object:
        """Hand on what is awaited first, and then continue."""
        if self._is_resumed:
            return self._steps.send(value)
        self._is_resumed = True
        return self._awaited

    def throw(self, *error: Any) -> object:  # noqa: ANN401 - as Generator declares it
        """Cancel it, say."""
        return self._steps.throw(*error)
