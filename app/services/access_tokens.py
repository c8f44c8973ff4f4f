"""Access tokens: minted for living sessions, and checked when they are presented."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from app.crypto.access_tokens import parse_jws
from app.domain.access_tokens import AccessToken, TokenPolicy, claims, expiry, parse_claims
from app.domain.clock import Clock
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import SessionGrant
from app.services.keys import KeyRing
from app.services.revocations import Revocations


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A signed access token, with the remaining lifetime of the token and of its session in seconds."""

    text: str = field(repr=False)
    expires_in: int
    session_expires_in: int


@dataclass(frozen=True, slots=True)
class TokenMinter:
    """Signs access tokens with the current signing key; ``token_ids`` returns 128 random bits as text."""

    keys: KeyRing
    policy: TokenPolicy
    clock: Clock
    token_ids: Callable[[], str]

    def require_ready(self) -> None:
        """Refuse with ``unavailable`` before a session is changed when nothing can be signed."""
        self.keys.require_signer()

    async def mint(self, grant: SessionGrant) -> MintedToken:
        """An access token for a session."""
        signer = await self.keys.signer(grant.signing_kid)
        now = self.clock()
        text = signer.sign(claims(grant, self.policy, self.token_ids(), now=now))
        return MintedToken(
            text,
            expires_in=_seconds(now, expiry(grant, self.policy, now=now)),
            session_expires_in=_seconds(now, grant.expires_at),
        )


def _seconds(start: datetime, end: datetime) -> int:
    return int(end.timestamp()) - int(start.timestamp())


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Checks an access token: its signature, its claims and the revocations."""

    keys: KeyRing
    revocations: Revocations
    policy: TokenPolicy
    clock: Clock

    async def __call__(self, text: str) -> AccessToken:
        """The accepted token; refuses every other one with ``invalid_token``."""
        token, ids = await self.genuine(text)
        if await self.revocations.any_revoked(ids):
            raise Refused(Refusal.INVALID_TOKEN)
        return token

    async def genuine(self, text: str) -> tuple[AccessToken, tuple[str, ...]]:
        """The token with a valid signature and valid claims, and the ids under which it may be revoked.

        The caller must look for these ids in Postgres; others are refused with ``invalid_token``.
        """
        jws = parse_jws(text)
        if jws is None:
            raise Refused(Refusal.INVALID_TOKEN)
        payload = (await self.keys.verifier(jws.kid)).payload(jws)
        token = None if payload is None else parse_claims(payload, self.policy, now=self.clock())
        if token is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return token, (*token.revocable_ids, jws.kid)
