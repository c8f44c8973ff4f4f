"""Access tokens: minted for a living session, believed while nothing revoked them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from app.crypto.access_tokens import read
from app.domain.access_tokens import AccessToken, TokenPolicy, believe, claims, expiry
from app.domain.clock import Clock
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import SessionGrant
from app.services.keys import KeyRing
from app.services.revocations import Revocations


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
        self._keys.require_signer()

    async def mint(self, grant: SessionGrant) -> MintedToken:
        """An access token for a session."""
        signer = await self._keys.signer(grant.signing_kid)
        now = self._clock()
        text = signer.sign(claims(grant, self._policy, self._token_ids(), now=now))
        return MintedToken(
            text,
            expires_in=_seconds(now, expiry(grant, self._policy, now=now)),
            session_expires_in=_seconds(now, grant.expires_at),
        )


def _seconds(start: datetime, end: datetime) -> int:
    return int(end.timestamp()) - int(start.timestamp())


class Authenticate:
    """Establishes who presents an access token, from its signature, its claims and the blacklist."""

    def __init__(self, keys: KeyRing, revocations: Revocations, policy: TokenPolicy, clock: Clock) -> None:
        self._keys = keys
        self._revocations = revocations
        self._policy = policy
        self._clock = clock

    async def __call__(self, text: str) -> AccessToken:
        """The facts of a token that holds in every respect; else refuses with ``invalid_token``."""
        token, ids = await self._genuine(text)
        if await self._revocations.any_revoked(ids):
            raise Refused(Refusal.INVALID_TOKEN)
        return token

    async def unless_indexed(self, text: str) -> tuple[AccessToken, tuple[str, ...]]:
        """The same as far as Redis knows, and the ids by which the caller's own statement asks Postgres."""
        token, ids = await self._genuine(text)
        if await self._revocations.any_indexed(ids):
            raise Refused(Refusal.INVALID_TOKEN)
        return token, ids

    async def _genuine(self, text: str) -> tuple[AccessToken, tuple[str, ...]]:
        """The facts by signature and claims, and the ids that may be on the blacklist."""
        jws = read(text)
        if jws is None:
            raise Refused(Refusal.INVALID_TOKEN)
        payload = (await self._keys.verifier(jws.kid)).payload(jws)
        token = None if payload is None else believe(payload, self._policy, now=self._clock())
        if token is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return token, (token.token_id, str(token.session_id), jws.kid)
