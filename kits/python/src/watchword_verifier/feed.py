"""The revocation feed: what the lists will say, milliseconds after it happened.

It only makes revocations faster. The lists are read all the same, so a feed that is down loses nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from secrets import SystemRandom
from typing import Protocol

from watchword_verifier.clock import Clock
from watchword_verifier.credentials import ClientToken
from watchword_verifier.discovery import json_object
from watchword_verifier.errors import FetchError
from watchword_verifier.fetching import Http
from watchword_verifier.identity import StatusReference
from watchword_verifier.revocations import Revocations
from watchword_verifier.sse import Event, EventParser

LOGGER = logging.getLogger("watchword_verifier")
SILENCE = 45.0
"""Seconds without a byte, after which the connection counts as dead; the issuer comments every 15."""
LONGEST_PAUSE = 60.0
_REFUSED = (401, 403)
_FIRST_PAUSE = 1.0
_LONGEST_MEMORY = 24 * 3600.0
_random = SystemRandom()


class Lists(Protocol):
    """What the feed needs of the lists."""

    def read_again(self) -> None:
        """Fetch every list at once."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What an event of the feed has an effect on."""

    revocations: Revocations
    lists: Lists
    retire: Callable[[str], None]
    """Called with the ``kid`` of a key that is believed no more."""


class Feed:
    """One connection to the feed, made again whenever it ends."""

    def __init__(self, url: str, token: ClientToken, http: Http, clock: Clock, effects: Effects) -> None:
        self.is_live = False
        """Whether the connection stands and the issuer said that nothing was missed."""
        self.error: str | None = None
        self._url = url
        self._token = token
        self._http = http
        self._clock = clock
        self._effects = effects
        self._last_id = ""
        self._retry = _FIRST_PAUSE
        self._failures = 0
        self._was_live = False

    async def listen(self) -> None:
        """Listen until cancelled. Waits between attempts grow, and differ between processes."""
        while True:
            try:
                await self._connection()
                self._ended("the issuer closed the connection")
            except FetchError as error:
                self._ended(str(error))
            except Exception as error:
                LOGGER.exception("the feed ended")
                self._ended(f"unexpectedly, {type(error).__name__}")
            pause = min(LONGEST_PAUSE, self._retry * 2.0 ** min(self._failures, 10))
            self._failures += 1
            await self._clock.sleep(pause * _random.uniform(0.5, 1.0))

    async def _connection(self) -> None:
        headers = {
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            "Authorization": f"Bearer {await self._token.get()}",
        }
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        parser = EventParser()
        try:
            async with self._http.stream(self._url, headers, silence=SILENCE) as pieces:
                async for piece in pieces:
                    for event in parser.feed(piece):
                        self._take_or_skip(event)
                    # A comment may have an id as well.
                    self._last_id = parser.last_id or self._last_id
                    if parser.retry is not None:
                        self._retry = max(_FIRST_PAUSE, parser.retry)
        except FetchError as error:
            if error.status in _REFUSED:
                self._token.discard()
            raise

    def _take_or_skip(self, event: Event) -> None:
        """Take an event. One that is malformed would come again after a new connection, so it is skipped."""
        try:
            self._take(event)
        except FetchError:
            LOGGER.warning("an event of the revocation feed is malformed, and the lists are read instead")
            self._effects.lists.read_again()

    def _take(self, event: Event) -> None:
        match event.name:
            case "ready":
                if not self._last_id:  # What happened before the connection is in the lists alone.
                    self._effects.lists.read_again()
                if self.error is not None or not self._was_live:
                    LOGGER.info("the revocation feed is live")
                self.is_live = self._was_live = True
                self.error, self._failures = None, 0
            case "reset":
                self._effects.lists.read_again()
            case "session-revoked":
                self._session_revoked(json_object(event.data.encode()))
            case "key-retired":
                kid = json_object(event.data.encode()).get("kid")
                if isinstance(kid, str):
                    self._effects.retire(kid)
            case _:  # Events of a later release mean nothing here.
                pass

    def _session_revoked(self, data: object) -> None:
        members = data if isinstance(data, dict) else {}
        session_id, end = members.get("sid"), members.get("exp")
        now = self._clock.wall()
        until = float(end) if type(end) is int and end < now + _LONGEST_MEMORY else now + _LONGEST_MEMORY
        added = self._effects.revocations.add(
            session_id if isinstance(session_id, str) else None, _reference(members.get("status")), until
        )
        if not added:
            self._effects.lists.read_again()

    def _ended(self, error: str) -> None:
        """Note the end of a connection. A live one ends when its token expires, and the next one follows."""
        if self.is_live:
            self.is_live = False
            return
        if error != self.error:
            LOGGER.warning("the revocation feed is interrupted, and the lists are read instead: %s", error)
        self.error = error


def _reference(status: object) -> StatusReference | None:
    members = status if isinstance(status, dict) else {}
    index, uri = members.get("idx"), members.get("uri")
    return StatusReference(uri, index) if isinstance(uri, str) and type(index) is int else None
