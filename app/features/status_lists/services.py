"""``StatusLists``: the lists that this process publishes.

It looks at Postgres when a list is asked for, at most once a second. So a process whose lists are not used
does nothing, and the end of a session is published after a second at most.
"""

import asyncio
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from app.crypto.access_tokens import Signer
from app.domain.clock import Clock
from app.domain.refusals import Unavailable
from app.domain.statuses import Status
from app.features.status_lists.domain import LIFETIME, RENEWED_AFTER, TOKEN_TYPE, bits, claims, signed_at
from app.features.status_lists.storage import SessionNumbers
from app.services.keys import KeyRing, validator
from app.storage.postgres.revocations import RevocationStore

LOOK_EVERY = timedelta(seconds=1)
FORGET_EVERY = timedelta(minutes=1)
"""How often bits are cleared that no verifier asks for any more."""
LONGEST_WAIT = 1.0
"""Seconds that a request waits for a look while there is a list that may still be used."""
_LEVEL = 6
_NONE: frozenset[int] = frozenset()


class StatusList(NamedTuple):
    """A signed list as it is served, and its strong validator."""

    document: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Published:
    signed: StatusList
    kid: str
    at: datetime
    places: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Revoked:
    """What is revoked as of a look: the places in each list."""

    seen_at: datetime
    position: str
    newest_list: int
    places: Mapping[int, frozenset[int]]


class StatusLists:
    """Publishes the status lists of this issuer."""

    def __init__(
        self, store: RevocationStore, numbers: SessionNumbers, keys: KeyRing, issuer: str, clock: Clock
    ) -> None:
        self.store = store
        self._numbers = numbers
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._revoked: _Revoked | None = None
        self._forgotten_at: dict[int, dict[int, datetime]] = {}
        """For each list, the places whose bits are set, and until when."""
        self._forgets_at = clock()
        self._published: dict[int, _Published] = {}
        self._looks_at: datetime | None = None
        self._looking: asyncio.Task[None] | None = None
        self._failure = "the revocations could not be read since the start"
        self._signing = asyncio.Lock()

    async def numbers(self) -> range:
        """The numbers of all lists."""
        return range((await self._seen()).newest_list + 1)

    async def published(self, number: int) -> StatusList | None:
        """The list with this number, or None where there is none.

        While Postgres does not answer, it is the last one until that expires, and then ``unavailable``.
        """
        revoked = await self._seen()
        if number > revoked.newest_list:
            return None
        async with self._signing:
            # Another request may have looked again meanwhile, and published what it saw.
            return await self._current(number, self._revoked or revoked)

    async def _seen(self) -> _Revoked:
        """What is revoked, as of a second ago at most where Postgres answers."""
        now = self._clock()
        if self._looking is None and (self._looks_at is None or now >= self._looks_at):
            self._looks_at = now + LOOK_EVERY
            self._looking = asyncio.create_task(self._look())
        if self._looking is not None:
            # Shielded: the request that began the look may end before it.
            longest = LONGEST_WAIT if self._revoked and _is_usable(self._revoked.seen_at, now) else None
            await asyncio.wait({self._looking}, timeout=longest)
        if self._revoked is None:
            raise Unavailable(self._failure)
        return self._revoked

    async def _look(self) -> None:
        try:
            self._revoked = await self._read()
        except Unavailable as refused:
            self._failure = refused.reason  # The next look is due in a second.
        finally:
            self._looking = None

    async def _read(self) -> _Revoked:
        seen_at, before = self._clock(), self._revoked
        newest_list = await self._numbers.newest_list()
        found = await self.store.changes(None if before is None else before.position)
        if found.is_whole:
            before, self._forgotten_at = None, {}
        changed = set()
        async for batch in found.batches:
            for revocation in batch.values():
                if revocation.status is not None:
                    status = Status.of(revocation.status)
                    self._forgotten_at.setdefault(status.list, {})[status.place] = revocation.expires_at
                    changed.add(status.list)
        changed |= self._forget()
        places = {number: frozenset(self._forgotten_at[number]) for number in changed}
        return _Revoked(seen_at, found.position, newest_list, {**(before.places if before else {}), **places})

    def _forget(self) -> set[int]:
        """Clear the bits of sessions whose tokens have expired; returns the lists that this changes."""
        now = self._clock()
        if now < self._forgets_at:
            return set()
        self._forgets_at = now + FORGET_EVERY
        changed = set()
        for number, places in self._forgotten_at.items():
            over = [place for place, forgotten_at in places.items() if forgotten_at <= now]
            for place in over:
                del places[place]
            if over:
                changed.add(number)
        return changed

    async def _current(self, number: int, revoked: _Revoked) -> StatusList:
        last, places = self._published.get(number), revoked.places.get(number, _NONE)
        signer = self._keys.require_signer()
        if (
            last is None
            or last.kid != signer.kid
            or last.places is not places
            or revoked.seen_at >= last.at + RENEWED_AFTER
        ):
            # Dated by the look: without Postgres no list becomes younger.
            at = signed_at(revoked.seen_at)
            last = self._published[number] = await self._signed(number, places, signer, at)
        if not _is_usable(last.at, self._clock()):
            raise Unavailable(self._failure)
        return last.signed

    async def _signed(self, number: int, places: frozenset[int], signer: Signer, at: datetime) -> _Published:
        compressed = await asyncio.to_thread(lambda: zlib.compress(bits(places), _LEVEL))
        encoded = urlsafe_b64encode(compressed).rstrip(b"=").decode()
        document = signer.sign(claims(self._issuer, number, encoded, at=at), TOKEN_TYPE).encode()
        return _Published(StatusList(document, validator(document)), signer.kid, at, places)


def _is_usable(seen_at: datetime, now: datetime) -> bool:
    """Whether a list that shows what was revoked at a time holds yet."""
    return now < signed_at(seen_at) + LIFETIME
