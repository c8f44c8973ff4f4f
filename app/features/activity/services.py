"""``Activity``: the security events of the caller's own account."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.refusals import Refusal, Refused
from app.features.activity.crypto import EventIds
from app.features.activity.domain import NEWEST, PAGE, SHOWN, OwnEvent, Position, page
from app.features.activity.storage import OwnEventStore
from app.services.owner.caller import WhoAmI


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event with its public id; ``current`` when it belongs to the session of the access token."""

    id: str
    event: OwnEvent
    current: bool


@dataclass(frozen=True, slots=True)
class ShownPage:
    """Events, the newest first. ``next`` asks for the next page, and is None on the last one."""

    events: list[ShownEvent]
    next: str | None


@dataclass(frozen=True, slots=True)
class Activity:
    """Reads the events of the account that an access token belongs to, and of no other."""

    who_am_i: WhoAmI
    store: OwnEventStore
    ids: EventIds

    async def __call__(self, access_token: str, before: str | None) -> ShownPage:
        """The page before the event with this public id, or the newest; refuses an id of no own event."""
        caller = await self.who_am_i(access_token)
        account_id, session_id = caller.account.id, caller.token.session_id
        position = NEWEST if before is None else self._position(before, account_id)
        found = page(await self.store.before(position, account_id, SHOWN, PAGE + 1))
        ids = self.ids.seal([event.position for event in found.events], account_id)
        shown = [
            ShownEvent(id, event, current=event.session_id == session_id)
            for id, event in zip(ids, found.events, strict=True)
        ]
        return ShownPage(shown, None if found.is_last else ids[-1])

    def _position(self, before: str, account_id: UUID) -> Position:
        position = self.ids.open(before, account_id)
        if position is None:
            raise Refused(Refusal.INVALID_REQUEST)
        return position
