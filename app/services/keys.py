"""The key ring: the signing keys from Postgres, kept in memory and reloaded when an unknown key appears."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import orjson
import structlog

from app.crypto.access_tokens import Signer, Verifier
from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.domain.clock import Clock
from app.domain.keys import Algorithm, KeyState, SigningKey, in_state
from app.domain.refusals import Unavailable
from app.services.key_changes import MEND, KeyChanges

LONGEST_VIEW = timedelta(minutes=15)
"""The age after which a view of the keys no longer signs or verifies."""
RELOAD_INTERVAL = timedelta(seconds=1)
"""The minimum between reloads for an unknown ``kid``: an attacker can send as many as they like."""
NO_SIGNER = "there is no signing key, or no listed secret opens it"
NO_VIEW = "the signing keys could not be read for fifteen minutes, or not since the start"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeySet:
    """The published key set as served: a JWK Set (RFC 7517 section 5) and its strong validator."""

    document: bytes
    etag: str
    algorithms: tuple[Algorithm, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The keys as read from Postgres at one time."""

    signer: Signer | None
    verifier: Verifier
    key_set: KeySet
    loaded_at: datetime


class KeyRing:
    """This process's view of the signing keys."""

    def __init__(self, changes: KeyChanges, maker: KeyMaker, clock: Clock) -> None:
        self.changes = changes
        self.maker = maker
        self.clock = clock
        self.view: View | None = None
        self._loading = asyncio.Lock()
        self._next_reload_at: datetime | None = None

    async def load(self) -> None:
        """Make the automatic change that is due, and read the keys.

        A signing key that no listed secret opens is never replaced; until one does, nothing can be signed.
        """
        async with self._loading:
            await self._load()

    def require_signer(self) -> Signer:
        """The signer as last read; refuses with ``unavailable`` without one, or when the view is too old."""
        signer = self._fresh().signer
        if signer is None:
            raise Unavailable(NO_SIGNER)
        return signer

    async def signer(self, kid: str | None) -> Signer:
        """The signer of the signing key in Postgres; reloads when this process does not have it."""
        if not _signs_with(self._fresh(), kid):
            async with self._loading:
                if not _signs_with(self._fresh(), kid):
                    await self._load()
        return self.require_signer()

    async def verifier(self, kid: str) -> Verifier:
        """The verifier of all published keys; reloads when it does not have this one.

        Concurrent callers wait for the reload in progress.
        """
        if not self._fresh().verifier.knows(kid):
            async with self._loading:
                if not self._fresh().verifier.knows(kid) and self._may_reload():
                    await self._load()
        return self._fresh().verifier

    def key_set(self) -> KeySet:
        """The key set as last read, however old: for verifiers an old key set is better than none."""
        if self.view is None:
            raise Unavailable(NO_VIEW)
        return self.view.key_set

    def _fresh(self) -> View:
        if self.view is None or self.clock() - self.view.loaded_at > LONGEST_VIEW:
            raise Unavailable(NO_VIEW)
        return self.view

    def _may_reload(self) -> bool:
        now = self.clock()
        if self._next_reload_at is not None and now < self._next_reload_at:
            return False
        self._next_reload_at = now + RELOAD_INTERVAL
        return True

    async def _load(self) -> None:
        # Taken before the query: the view is at least this old.
        loaded_at = self.clock()
        keys, _ = await self.changes.advance()
        jwks = {key.kid: key.public_jwk for key in keys}
        self.view = View(self._signer(keys), Verifier(jwks), _key_set(keys), loaded_at)

    def _signer(self, keys: Iterable[SigningKey]) -> Signer | None:
        signing = in_state(keys, KeyState.SIGNING)
        if signing is None:
            return None
        if self.view is not None and _signs_with(self.view, signing.kid):
            return self.view.signer
        try:
            return Signer(signing.kid, signing.algorithm, self.maker.open(signing))
        except UnopenableKeyError:
            _log.error("key.unopenable", kid=signing.kid, mend=MEND)
            return None


def _signs_with(view: View, kid: str | None) -> bool:
    return view.signer is not None and view.signer.kid == kid


def validator(document: bytes) -> str:
    """The strong validator of a published document (RFC 9110 section 8.8.3)."""
    return f'"{sha256(document).hexdigest()[:32]}"'


def _key_set(keys: Sequence[SigningKey]) -> KeySet:
    document = orjson.dumps({"keys": [key.public_jwk for key in keys]}, option=orjson.OPT_SORT_KEYS)
    algorithms = tuple(sorted({key.algorithm for key in keys}))
    return KeySet(document, validator(document), algorithms)
