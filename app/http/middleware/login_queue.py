"""Logins begin one after the other."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class LoginsInTurn:
    """Lets one login begin in each turn of the event loop, so other requests wait for few of a burst.

    Most logins of a burst are refused without awaiting anything, and would be answered in one go.
    ``routes`` are the method and path of the routes that take a turn.
    """

    def __init__(self, app: ASGIApp, *, routes: frozenset[tuple[str, str]]) -> None:
        self._app = app
        self._routes = routes
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, a login in its turn."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) in self._routes:
            is_first = not self._turn.locked()
            async with self._turn:
                # The lock wakes a waiting login a turn after the one before it. Only the first waits here.
                if is_first:
                    await asyncio.sleep(0)
        await self._app(scope, receive, send)
