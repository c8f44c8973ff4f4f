"""Sessions: opened for whoever proved who they are, carried on by refreshes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from app.crypto.device_tokens import DeviceTokens
from app.crypto.refresh_tokens import RefreshTokens
from app.domain.accounts import Account
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import (
    ClientKind,
    SessionPolicy,
)
from app.domain.visitors import Visitor
from app.services.access_tokens import MintedToken, TokenMinter
from app.storage.postgres.events import EventStore
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client takes away: an access token, and the refresh token to carry on with."""

    access_token: MintedToken
    refresh_token: str = field(repr=False)
    client: ClientKind
    device: str | None = field(default=None, repr=False)


class OpenSession:
    """Opens a session of an account whose password was verified; ``seeds`` answers 16 random bytes."""

    def __init__(
        self,
        sessions: SessionStore,
        tokens: RefreshTokens,
        devices: DeviceTokens,
        minter: TokenMinter,
        policy: SessionPolicy,
        seeds: Callable[[], bytes],
        events: EventStore,
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._devices = devices
        self._minter = minter
        self._policy = policy
        self._seeds = seeds
        self._events = events

    def require_ready(self) -> None:
        """Refuse with ``unavailable`` now rather than after a password was verified."""
        self._minter.require_ready()

    async def __call__(
        self,
        account: Account,
        password_version: int,
        client: ClientKind,
        visitor: Visitor,
        device: str | None,
    ) -> TokenPair:
        """The tokens of a new session; nothing that the caller holds already is taken over (fixation).

        A ``device`` that presents what it is known by, or nothing yet (the empty text), is known from now on.

        Refuses with ``invalid_credentials`` when the password was changed, or the account disabled or
        deleted, while the password was being verified.
        """
        token = self._tokens.first(uuid4(), self._seeds())
        grant = await self._sessions.open(
            token.session_id,
            account.id,
            password_version,
            client,
            self._tokens.digest(token),
            self._policy.absolute,
            visitor,
        )
        if grant is None:
            await self._events.add(by_visitor(visitor, EventKind.LOGIN_FAILED, account.id, overtaken=True))
            raise Refused(Refusal.INVALID_CREDENTIALS)
        known = None if device is None else self._devices.remember(device, account.email, password_version)
        return TokenPair(await self._minter.mint(grant), self._tokens.write(token), client, known)
