"""The keys in use: read from Postgres, kept in memory, and made where there are none."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import orjson
import structlog

from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.crypto.tokens import Signer, Verifier
from app.domain.clock import Clock
from app.domain.keys import Algorithm, KeyState, SealedKey, vacancies
from app.domain.refusals import Refusal, Refused
from app.storage.postgres.keys import KeyStore

LONGEST_VIEW = timedelta(minutes=15)
"""How old a view of the keys may grow before the service signs nothing more with it."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeySet:
    """The published key set as it is served: a JWK Set (RFC 7517 section 5) and its strong validator."""

    document: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _View:
    signer: Signer | None
    verifier: Verifier
    key_set: KeySet
    loaded_at: datetime


class KeyRing:
    """This process's view of the signing keys."""

    def __init__(self, store: KeyStore, maker: KeyMaker, algorithm: Algorithm, clock: Clock) -> None:
        self._store = store
        self._maker = maker
        self._algorithm = algorithm
        self._clock = clock
        self._view: _View | None = None

    async def load(self) -> None:
        """Read the keys, after making those that are missing.

        A signing key that no listed secret opens leaves the service unable to sign; it is never replaced.
        """
        now = self._clock()
        keys = await self._store.all()
        vacant = vacancies(keys)
        if vacant:
            make = self._maker.make
            candidates = [await asyncio.to_thread(make, self._algorithm, now=now) for _ in vacant]
            await self._store.fill(candidates)
            keys = await self._store.all()
        jwks = {key.kid: key.public_jwk for key in keys}
        self._view = _View(self._signer(keys), Verifier(jwks), _key_set(jwks.values()), now)

    def signer(self) -> Signer:
        """The signer in use; refuses with ``unavailable`` when there is none or the view is too old."""
        view = self._fresh()
        if view.signer is None:
            raise Refused(Refusal.UNAVAILABLE)
        return view.signer

    def verifier(self) -> Verifier:
        """The verifier of every published key; refuses with ``unavailable`` when the view is too old."""
        return self._fresh().verifier

    def key_set(self) -> KeySet:
        """The key set as it was last read, however long ago: verifiers fare better with it than without."""
        if self._view is None:
            raise Refused(Refusal.UNAVAILABLE)
        return self._view.key_set

    def _fresh(self) -> _View:
        if self._view is None or self._clock() - self._view.loaded_at > LONGEST_VIEW:
            raise Refused(Refusal.UNAVAILABLE)
        return self._view

    def _signer(self, keys: Iterable[SealedKey]) -> Signer | None:
        signing = next(key for key in keys if key.state is KeyState.SIGNING)
        if self._view is not None and self._view.signer is not None and self._view.signer.kid == signing.kid:
            return self._view.signer
        try:
            return Signer(signing.kid, signing.algorithm, self._maker.open(signing))
        except UnopenableKeyError:
            _log.error(
                "key.unopenable", kid=signing.kid, mend="list the secret that sealed it in AUTH_SECRET_KEYS"
            )
            return None


def _key_set(jwks: Iterable[dict[str, str]]) -> KeySet:
    document = orjson.dumps({"keys": list(jwks)}, option=orjson.OPT_SORT_KEYS)
    return KeySet(document, f'"{sha256(document).hexdigest()[:32]}"')
