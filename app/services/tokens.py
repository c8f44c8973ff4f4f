"""Access tokens: minted for a living session, believed while nothing revoked them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from app.domain.clock import Clock
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import SessionGrant
from app.domain.tokens import AccessToken, TokenPolicy, believe, claims, expiry
from app.services.keys import KeyRing
from app.storage.postgres.tokens import RevocationStore
from app.storage.redis.blacklist import Blacklist

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A signed access token, and the whole seconds that it and its session have to live."""

    text: str = field(repr=False)
    expires_in: int
    session_expires_in: int


class TokenMinter:
    """Signs access tokens with the key in use; ``token_ids`` answers 128 random bits as text."""

    def __init__(
        self, keys: KeyRing, policy: TokenPolicy, clock: Clock, token_ids: Callable[[], str]
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._clock = clock
        self._token_ids = token_ids

    def require_ready(self) -> None:
        """Refuse with ``unavailable`` now rather than after a session was changed."""
        self._keys.signer()

    def mint(self, grant: SessionGrant) -> MintedToken:
        """An access token for a session."""
        now = self._clock()
        payload = claims(grant, self._policy, self._token_ids(), now=now)
        text = self._keys.signer().sign(payload)
        return MintedToken(
            text,
            expires_in=_seconds(now, expiry(grant, self._policy, now=now)),
            session_expires_in=_seconds(now, grant.expires_at),
        )


def _seconds(start: datetime, end: datetime) -> int:
    return int(end.timestamp()) - int(start.timestamp())


class Revocations:
    """The blacklist: Postgres is the truth, Redis answers first where it can be believed."""

    def __init__(self, store: RevocationStore, index: Blacklist, policy: TokenPolicy) -> None:
        self._store = store
        self._index = index
        # Until then a verifier with our leeway may accept a token that was signed just before.
        self.lasts = policy.lifetime + 2 * policy.leeway

    async def announce(self, ids: Iterable[str]) -> bool:
        """Enter into the index what Postgres has committed; False when Redis did not take it."""
        entries = dict.fromkeys(ids, self.lasts)
        taken = not entries or await self._index.add(entries)
        if not taken:
            _log.warning("blacklist.not_indexed", entries=len(entries))
        return taken

    async def is_revoked(self, token: AccessToken) -> bool:
        """Whether the token or its session was revoked."""
        ids = (token.token_id, str(token.session_id))
        answer = await self._index.find(ids)
        return await self._store.find(ids) if answer is None else answer

    async def reindex(self) -> None:
        """Bring the index in step with Postgres; called every few seconds and at start."""
        before = self._index.is_believed
        after = await self._index.rebuild(self._store.live)
        if before and not after:
            _log.warning("blacklist.not_believed", instead="Postgres answers")


class Authenticate:
    """Establishes who presents an access token, from its signature, its claims and the blacklist."""

    def __init__(self, keys: KeyRing, revocations: Revocations, policy: TokenPolicy, clock: Clock) -> None:
        self._keys = keys
        self._revocations = revocations
        self._policy = policy
        self._clock = clock

    async def __call__(self, text: str) -> AccessToken:
        """The facts of a token that holds in every respect; else refuses with ``invalid_token``."""
        payload = self._keys.verifier().payload(text)
        token = None if payload is None else believe(payload, self._policy, now=self._clock())
        if token is None or await self._revocations.is_revoked(token):
            raise Refused(Refusal.INVALID_TOKEN)
        return token
