"""The issuer's keys as a verifier needs them: always at hand, and not fetched at an attacker's will."""

from collections.abc import Callable

from watchword_verifier.cached import Cached, Loaded
from watchword_verifier.clock import Clock
from watchword_verifier.discovery import Discovery
from watchword_verifier.errors import InvalidToken, Reason, Unavailable
from watchword_verifier.fetching import Document, Http
from watchword_verifier.keys import Key, KeySet, parse_key_set

MAX_DOCUMENT = 256 * 1024
COOLDOWN = 30.0
"""Seconds: an unknown ``kid`` causes a fetch only when none began within them."""
STALE_FOR = 24 * 3600.0
"""Seconds for which keys are used while they cannot be fetched again."""
_FRESH = 300
_SHORTEST, _LONGEST = 60, 3600
_MAX_RETIRED = 1000


class KeySource:
    """The key set, fetched in the background."""

    def __init__(self, http: Http, discovery: Discovery, clock: Clock, changed: Callable[[], None]) -> None:
        """``changed`` is called when keys came or went."""
        self.cached: Cached[KeySet] = Cached("the key set", clock, self._load)
        self._http = http
        self._discovery = discovery
        self._clock = clock
        self._changed = changed
        self._etag: str | None = None
        self._document: bytes | None = None
        self._retired: set[str] = set()

    def find(self, kid: str) -> Key | None:
        """The key of this ``kid``, or None when a fetch may tell. Called from any thread.

        Raises:
            InvalidToken: The key set is fresh and has no such key.
            Unavailable: There is no key set, or it is too old to tell.
        """
        now, cached = self._clock.monotonic(), self.cached
        keys, fetched_at, attempted_at = cached.value, cached.fetched_at, cached.attempted_at
        if keys is not None and now - fetched_at < STALE_FOR and kid in keys:
            if self.is_retired(kid):
                raise InvalidToken(Reason.UNKNOWN_KEY)
            return keys[kid]
        if cached.is_fetching:
            return None
        if keys is not None and now - fetched_at < COOLDOWN:
            raise InvalidToken(Reason.UNKNOWN_KEY)
        if now - attempted_at < COOLDOWN:
            raise Unavailable(attempted_at + COOLDOWN - now if keys is not None else 1)
        return None

    async def refresh(self) -> None:
        """Fetch because of an unknown ``kid``, unless that was done a moment ago."""
        if self.cached.is_fetching or self._clock.monotonic() - self.cached.attempted_at >= COOLDOWN:
            await self.cached.fetch()

    def is_retired(self, kid: str) -> bool:
        """Whether the issuer has said that this key is believed no more."""
        return kid in self._retired

    def retire(self, kid: str) -> None:
        """Believe this key no more, also while a cache between here and the issuer still has it."""
        if len(self._retired) < _MAX_RETIRED:
            self._retired.add(kid)
        self.cached.hurry()
        self._changed()

    async def _load(self) -> Loaded[KeySet]:
        metadata = await self._discovery.metadata()
        answer = await self._http.get(
            Document(metadata.jwks_uri, "application/jwk-set+json, application/json", MAX_DOCUMENT),
            etag=self._etag,
        )
        fresh_for = float(min(_LONGEST, max(_SHORTEST, _FRESH if answer.max_age is None else answer.max_age)))
        keys = self.cached.value
        if keys is None or answer.body not in (None, self._document):
            keys = parse_key_set(answer.body or b"")
            self._document = answer.body
            self._changed()
        self._etag = answer.etag
        return Loaded(keys, fresh_for)
