"""Logins begin one after the other."""

import asyncio


class LoginQueue:
    """Lets one login begin in each turn of the event loop, so other requests wait for few of a burst.

    Most logins of a burst are refused without awaiting anything, and would be answered in one go.
    ``routes`` are the method and path of the routes that take a turn.
    """

    def __init__(self, routes: frozenset[tuple[str, str]]) -> None:
        self.routes = routes
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Return when it is this login's turn."""
        is_first = not self._turn.locked()
        async with self._turn:
            # The lock wakes a waiting login a turn after the one before it. Only the first waits here.
            if is_first:
                await asyncio.sleep(0)
