"""What stands in for Postgres where only the index in Redis is looked at."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta

from app.domain.revocations import Changes

Live = Callable[[], Awaitable[Mapping[str, timedelta]]]
POSITION = "a-server 1:1:"


def holding(live: Live) -> Callable[[str | None], Awaitable[Changes]]:
    """A Postgres that revoked all of this before any look: only who asks for everything is told of it."""

    async def changes(since: str | None) -> Changes:
        return Changes(POSITION, batches(since), is_whole=since is None)

    async def batches(since: str | None) -> AsyncIterator[Mapping[str, timedelta]]:
        entries = await live()
        yield entries if since is None else {}

    return changes
