"""Logins begin one after the other."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class LoginsInTurn:
    """Lets one login begin in a turn of the event loop, so that others wait for a few and not for a burst.

    Most of a burst is refused without ever having to wait for anything, and so would be answered in one go.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, a login in its turn."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/login"):
            is_first = not self._turn.locked()
            async with self._turn:
                # Whoever waited was woken by the one before, and comes a turn after it as it is.
                if is_first:
                    await asyncio.sleep(0)
        await self._app(scope, receive, send)
