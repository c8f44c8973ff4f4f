"""What stands in for Postgres where only the index in Redis is looked at."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from app.domain.revocations import Changes, Revocation

Live = Callable[[], Awaitable[Mapping[str, timedelta]]]
POSITION = "a-server 1:1:"


def lasting(time: timedelta) -> Revocation:
    return Revocation(time, datetime.now(UTC) + time)


def holding(live: Live) -> Callable[[str | None], Awaitable[Changes]]:
    """A Postgres that revoked all of this before any look: only who asks for everything is told of it."""

    async def changes(since: str | None) -> Changes:
        return Changes(POSITION, batches(since), is_whole=since is None)

    async def batches(since: str | None) -> AsyncIterator[Mapping[str, Revocation]]:
        entries = await live()
        yield {} if since is not None else {entry: lasting(time) for entry, time in entries.items()}

    return changes
