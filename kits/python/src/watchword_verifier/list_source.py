"""Status lists as a verifier needs them: fetched in the background, and used for a day while that fails."""

import asyncio
import json
from collections.abc import Callable

from watchword_verifier.cached import NEVER, Cached, Loaded
from watchword_verifier.claims import Expected
from watchword_verifier.clock import Clock
from watchword_verifier.discovery import Discovery
from watchword_verifier.errors import FetchError, InvalidToken, Reason, Unavailable
from watchword_verifier.fetching import Document, Http
from watchword_verifier.identity import StatusReference
from watchword_verifier.jws import parse_jws
from watchword_verifier.key_source import STALE_FOR, KeySource
from watchword_verifier.status_list import (
    MAX_DOCUMENT,
    MEDIA_TYPE,
    StatusList,
    merged,
    parse_status_list,
)
from watchword_verifier.urls import origin_of

MAX_LISTS = 64
RETRY_AFTER = 1.0
"""Seconds from a failed fetch until a request asks again for a list that has expired."""
UNUSED_FOR = 3600.0
"""Seconds after which a list that no token names is no longer fetched."""
_SHORTEST, _LONGEST = 1, 3600
_MAX_AGGREGATION = 64 * 1024


class OneList:
    """One list, kept fresh while tokens name it."""

    def __init__(self, uri: str, sources: "ListSource") -> None:
        self.uri = uri
        self.used_at = sources.clock.monotonic()
        self.cached: Cached[StatusList] = Cached(f"the status list {uri}", sources.clock, self._load)
        self._sources = sources
        self._etag: str | None = None
        self._task = asyncio.create_task(self.cached.keep_fresh())

    def stop(self) -> None:
        """Fetch it no more."""
        self._task.cancel()

    async def close(self) -> None:
        """Wait until nothing is fetched any more."""
        self.stop()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.cached.close()

    async def _load(self) -> Loaded[StatusList]:
        sources, held = self._sources, self.cached.value
        answer = await sources.http.get(
            Document(self.uri, MEDIA_TYPE, MAX_DOCUMENT, exact_type=True), etag=self._etag if held else None
        )
        if held is not None and answer.body is None:
            if sources.clock.wall() >= held.expires_at:
                raise FetchError("the status list has expired")
            return Loaded(held, _fresh_for(held))
        fetched = await sources.verified(self.uri, answer.body or b"")
        if held is not None:
            fetched = merged(held, fetched)
        self._etag = answer.etag
        if held is None or fetched.data != held.data:
            sources.changed()
        return Loaded(fetched, _fresh_for(fetched))


class ListSource:
    """The lists that tokens of the issuer name."""

    def __init__(
        self, http: Http, keys: KeySource, expected: Expected, clock: Clock, changed: Callable[[], None]
    ) -> None:
        """``changed`` is called when a list has other bits than before."""
        self.http = http
        self.clock = clock
        self.changed = changed
        self._keys = keys
        self._expected = expected
        self._lists: dict[str, OneList] = {}

    def status(self, reference: StatusReference) -> int | None:
        """The status of a token, 0 for a valid one, or None when a fetch may tell. Called from any thread.

        Raises:
            InvalidToken: The list is not of the issuer's origin, or has no such index.
            Unavailable: The list has expired, and its copy may not be used any longer.
        """
        if not self._is_of_issuer(reference.uri):
            raise InvalidToken(Reason.STATUS)
        one = self._lists.get(reference.uri)
        if one is None:
            return None
        now = self.clock.monotonic()
        one.used_at = now
        held = one.cached.value
        if held is None or (self.clock.wall() >= held.expires_at and not _may_be_stale(one.cached, now)):
            # A process that was stopped for a while has not noticed yet that its list has expired.
            attempted_at = NEVER if held is None else now - RETRY_AFTER
            if one.cached.is_fetching or one.cached.attempted_at <= attempted_at:
                return None
            raise Unavailable(1)
        if (status := held.status(reference.index)) is None:
            raise InvalidToken(Reason.STATUS)
        return status

    async def obtain(self, uri: str) -> None:
        """Fetch a list that is not held yet, and keep it fresh from now on."""
        one = self._lists.get(uri)
        if one is None:
            self._make_room()
            one = self._lists[uri] = OneList(uri, self)
            # Its task has not begun yet, and will join this fetch.
        elif self.clock.monotonic() - one.cached.attempted_at < RETRY_AFTER and not one.cached.is_fetching:
            return  # It was fetched while the caller was on the way here.
        await one.cached.fetch()

    def read_again(self) -> None:
        """Fetch every list at once: revocations may have been missed."""
        for one in list(self._lists.values()):
            one.cached.hurry()

    async def discover(self, discovery: Discovery) -> None:
        """Fetch the lists that the issuer says it has, before tokens name them.

        Raises:
            FetchError: The issuer cannot be asked, or answers something else.
        """
        endpoint = (await discovery.metadata()).status_lists
        if endpoint is None:
            return
        answer = await self.http.get(Document(endpoint, "application/json", _MAX_AGGREGATION))
        try:
            uris = json.loads(answer.body or b"")["status_lists"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FetchError("the answer names no status lists") from None
        if not isinstance(uris, list):
            raise FetchError("the answer names no status lists")
        own = [uri for uri in uris if isinstance(uri, str) and self._is_of_issuer(uri)]
        for uri in own[:MAX_LISTS]:
            await self.obtain(uri)

    async def verified(self, uri: str, body: bytes) -> StatusList:
        """The list in a signed token, verified with the keys that the issuer publishes now.

        Raises:
            FetchError: It is not signed by one of them, or not what it should be.
        """
        try:
            jws = parse_jws(body.decode("ascii"), MAX_DOCUMENT)
            key = self._keys.find(jws.kid)
            if key is None:
                await self._keys.refresh()
                key = self._keys.find(jws.kid)
            if key is None:
                raise FetchError("the key of the status list is not known yet")
            key.verify(jws)
        except (InvalidToken, UnicodeDecodeError):
            raise FetchError("the status list is not signed by a key of the issuer") from None
        except Unavailable:
            raise FetchError("the key of the status list is not known yet") from None
        return parse_status_list(jws, uri, self._expected.issuer, now=self.clock.wall())

    def drop_unused(self) -> None:
        """Stop fetching the lists that no token has named for an hour."""
        limit = self.clock.monotonic() - UNUSED_FOR
        for one in [one for one in self._lists.values() if one.used_at < limit]:
            self._drop(one)

    async def close(self) -> None:
        """Stop all fetching."""
        lists = list(self._lists.values())
        self._lists.clear()
        await asyncio.gather(*(one.close() for one in lists))

    def _make_room(self) -> None:
        self.drop_unused()
        while len(self._lists) >= MAX_LISTS:
            self._drop(min(self._lists.values(), key=lambda one: one.used_at))

    def _drop(self, one: OneList) -> None:
        del self._lists[one.uri]
        one.stop()

    def _is_of_issuer(self, uri: str) -> bool:
        try:
            return origin_of(uri) == origin_of(self._expected.issuer)
        except FetchError:
            return False


def _may_be_stale(cached: Cached[StatusList], now: float) -> bool:
    """Whether an expired list counts: while the issuer is down, what was good stays good until it expires.

    A session that ends meanwhile ends nowhere else either.
    """
    return cached.is_outage and now - cached.fetched_at < STALE_FOR


def _fresh_for(held: StatusList) -> float:
    return float(min(_LONGEST, max(_SHORTEST, held.ttl)))
