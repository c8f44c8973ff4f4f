"""Security events, as operators read them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from app.domain.events import EventFilter, RecordedEvent
from app.domain.refusals import Refused
from app.services.operator.accounts import Accounts
from app.storage.postgres.events import EventStore

LAST = 10
"""How many events whoever follows them is told to begin with."""
# An event may become visible after a later one, when its transaction commits. No transaction of ours
# lives that long, since each statement, and each pause between two, is given up after five seconds.
BACK = timedelta(seconds=30)


class Events:
    """The events that were kept, and those that come."""

    def __init__(self, store: EventStore, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    async def account(self, named: str) -> UUID:
        """The id of an account by its address, or the id itself, also when the account is gone.

        AccountError when no account has the address.
        """
        try:
            return UUID(named)
        except ValueError:
            return (await self._accounts.find(named)).id

    async def newest(self, wanted: EventFilter, limit: int) -> list[RecordedEvent]:
        """The last events that are wanted, the newest one last."""
        return await self._store.newest(wanted, limit)

    async def follow(
        self, wanted: EventFilter, pause: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[RecordedEvent]:
        """The last few events, and then each that comes, until none can; a pause follows each look."""
        # The look back comes first: what is committed between the two is new, and is told at the latest
        # with the next look.
        before, looked = await self._store.since(None, BACK, wanted)
        news = await self._store.newest(wanted, LAST)
        told = {event.id for event in (*before, *news)}
        while True:
            for event in news:
                yield event
            if wanted.until is not None and looked > wanted.until + BACK:
                return
            await pause()
            # From the last look, however long ago that was: Postgres may be away for a while.
            found, news = None, list[RecordedEvent]()
            with suppress(Refused):
                found, looked = await self._store.since(looked, BACK, wanted)
            if found is not None:
                news = [event for event in found if event.id not in told]
                told = {event.id for event in found}
