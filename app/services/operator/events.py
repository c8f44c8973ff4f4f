"""Security events, as an operator reads them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.domain.events import EventFilter, RecordedEvent
from app.domain.refusals import Refused
from app.services.operator.accounts import Accounts, as_id
from app.storage.postgres.events import EventStore

FIRST_SHOWN = 10
"""How many past events ``follow`` begins with."""
# An event becomes visible when its transaction commits, which may be after a later event. None of our
# transactions lasts this long: each statement and each pause between two times out after five seconds.
LATEST_COMMIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Events:
    """Past events, and new ones as they are committed."""

    events: EventStore
    accounts: Accounts

    async def account(self, name: str) -> UUID:
        """The id of the account with this address; an id is returned unchanged, even of a deleted account.

        Refuses with ``account_unknown``.
        """
        return as_id(name) or (await self.accounts.find(name)).id

    async def newest(self, wanted: EventFilter, limit: int) -> list[RecordedEvent]:
        """The last events that match, the newest one last."""
        return await self.events.newest(wanted, limit)

    async def follow(
        self, wanted: EventFilter, pause: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[RecordedEvent]:
        """The last few events, then each new one until none can match; awaits ``pause`` between queries."""
        # This query comes first: an event that commits between the two is new in the next query.
        before, read_at = await self.events.since(None, LATEST_COMMIT, wanted)
        news = await self.events.newest(wanted, FIRST_SHOWN)
        seen = {event.id for event in (*before, *news)}
        while True:
            for event in news:
                yield event
            if wanted.until is not None and read_at > wanted.until + LATEST_COMMIT:
                return
            await pause()
            # From the last successful query on, however old it is: Postgres may have been down for a while.
            found, news = None, list[RecordedEvent]()
            with suppress(Refused):
                found, read_at = await self.events.since(read_at, LATEST_COMMIT, wanted)
            if found is not None:
                news = [event for event in found if event.id not in seen]
                seen = {event.id for event in found}
