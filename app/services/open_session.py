"""Opens sessions: the last step of every way to sign in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from app.crypto.device_tokens import DeviceTokens
from app.crypto.refresh_tokens import RefreshTokens
from app.domain.accounts import canonical_email
from app.domain.proofs import Proof
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind, SessionGrant
from app.domain.visitors import Visitor
from app.services.access_tokens import MintedToken, TokenMinter
from app.services.end_sessions import EndSessions
from app.storage.postgres.session_openings import SessionOpenings


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The result of a sign-in or a refresh: an access token and the refresh token for the next one.

    ``device`` holds the device tokens that the client presents at its next sign-in.
    """

    access_token: MintedToken
    refresh_token: str = field(repr=False)
    client: ClientKind
    device: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Opens a session from a proof; ``seeds`` returns 16 random bytes."""

    openings: SessionOpenings
    end_sessions: EndSessions
    tokens: RefreshTokens
    devices: DeviceTokens
    minter: TokenMinter
    seeds: Callable[[], bytes]

    def require_ready(self) -> None:
        """Refuse with ``unavailable`` before a secret is verified when nothing can be signed."""
        self.minter.require_ready()

    async def __call__(
        self,
        proof: Proof,
        client: ClientKind,
        visitor: Visitor,
        device: str | None,
        predecessor: SessionGrant | None = None,
    ) -> TokenPair:
        """The tokens of a new session; tokens that the client already has are never adopted (fixation).

        The ``predecessor`` in the same browser ends, and so do the sessions unused longest beyond the limit.

        ``device`` holds the device tokens that the client presented, or is empty; the result adds one for
        this account. With None the device stays unknown.

        Refuses with ``invalid_credentials`` when the password was changed, or the account disabled or
        deleted, after the proof.
        """
        token = self.tokens.first(uuid4(), self.seeds())
        opened = await self.openings.open(token, client, proof, visitor, predecessor)
        if opened is None:
            raise Refused(Refusal.INVALID_CREDENTIALS)
        await self.end_sessions.announce(opened.ended)
        device_tokens = (
            None
            if device is None
            else self.devices.remember(device, canonical_email(opened.email), proof.password_version)
        )
        return TokenPair(await self.minter.mint(opened.grant), token.text, client, device_tokens)
