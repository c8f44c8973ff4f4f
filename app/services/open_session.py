"""Opens sessions: the last step of every way to sign in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from app.crypto.device_tokens import DeviceTokens
from app.crypto.refresh_tokens import RefreshTokens
from app.domain.events import EventKind, Reason, by_visitor
from app.domain.proofs import Proof
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.access_tokens import MintedToken, TokenMinter
from app.storage.postgres.events import EventStore
from app.storage.postgres.sessions import SessionStore


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

    sessions: SessionStore
    tokens: RefreshTokens
    devices: DeviceTokens
    minter: TokenMinter
    seeds: Callable[[], bytes]
    events: EventStore

    def require_ready(self) -> None:
        """Refuse with ``unavailable`` before a secret is verified when nothing can be signed."""
        self.minter.require_ready()

    async def __call__(
        self, proof: Proof, client: ClientKind, visitor: Visitor, device: str | None
    ) -> TokenPair:
        """The tokens of a new session; tokens that the client already has are never adopted (fixation).

        ``device`` holds the device tokens that the client presented, or is empty; the result adds one for
        this account. With None the device stays unknown.

        Refuses with ``invalid_credentials`` when the password was changed, or the account disabled or
        deleted, after the proof.
        """
        token = self.tokens.first(uuid4(), self.seeds())
        opened = await self.sessions.open(token, client, proof, visitor)
        if opened is None:
            failed = by_visitor(visitor, EventKind.LOGIN_FAILED, proof.account_id, reason=Reason.OVERTAKEN)
            await self.events.add(failed)
            raise Refused(Refusal.INVALID_CREDENTIALS)
        grant, email = opened
        device_tokens = (
            None if device is None else self.devices.remember(device, email, proof.password_version)
        )
        return TokenPair(await self.minter.mint(grant), token.text, client, device_tokens)
