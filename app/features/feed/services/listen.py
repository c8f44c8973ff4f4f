"""``Listen``: the stream of one listener, from its access token to its end."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.domain.access_tokens import ClientToken
from app.domain.refusals import Refusal, Refused
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.feed.domain import READY, RESET, RETRY, SCOPE, Message, event, messages, parse_id
from app.features.feed.services.listeners import Listener, Listeners, Piece
from app.services.access_tokens import Authenticate
from app.storage.postgres.revocations import RevocationStore

MOST_RESUMING = 2
"""Listeners that read at a time what they missed, so that connections to Postgres are left for requests."""


class Listen:
    """Lets service clients with the scope ``revocations:read`` listen."""

    def __init__(
        self, authenticate: Authenticate, listeners: Listeners, store: RevocationStore, issuer: str | None
    ) -> None:
        """``issuer`` is None where there are no status lists."""
        self._authenticate = authenticate
        self.listeners = listeners
        self._store = store
        self._issuer = issuer
        self._resuming = asyncio.Semaphore(MOST_RESUMING)

    async def require(self, access_token: str) -> ClientToken:
        """The token of a client that may listen; raises OAuthRefused for one without the scope.

        Refuses tokens that are not valid with ``invalid_token``.
        """
        token = await self._authenticate(access_token)
        if not isinstance(token, ClientToken) or SCOPE not in token.scopes:
            raise OAuthRefused(
                OAuthErrorCode.INSUFFICIENT_SCOPE, f"A service client with the scope {SCOPE} may listen."
            )
        return token

    async def __call__(self, access_token: str, resumes_after: str | None) -> "Stream":
        """Begin a stream, after the event with this id; refused as ``require`` and ``Listeners.enter`` do."""
        token = await self.require(access_token)
        listener = await self.listeners.enter(token.client_id)
        return Stream(self, listener, access_token, token, resumes_after)

    def ready(self, listener: Listener) -> Piece:
        """The event after which a listener misses nothing."""
        message = Message(READY, {})
        return Piece(event(message, self.listeners.event_id(listener.position)).encode())

    async def missed(self, listener: Listener, resumes_after: str) -> AsyncIterator[Piece]:
        """What was revoked since an id, or ``reset`` where that is not known any more.

        Raises ``unavailable`` when Postgres does not answer.
        """
        place = parse_id(resumes_after)
        position = None if place is None else place.position(listener.position)
        policy = self._authenticate.policy
        if (
            place is None
            or position is None
            or place.is_older_than(policy.revocation_ttl, now=self._authenticate.clock())
        ):
            yield _reset()
            return
        async with self._resuming:
            found = await self._store.changes(position)
        if found.is_whole:
            yield _reset()
            return
        while not listener.is_over:
            # Not while a slow listener is sent what was read.
            async with self._resuming:
                batch = await anext(found.batches, None)
            if batch is None:
                return
            for piece in self.listeners.pieces(list(messages(batch, self._issuer)), None):
                yield piece

    async def still_may(self, access_token: str, token: ClientToken) -> bool:
        """Whether the token is still valid. During an outage it is until it expires."""
        try:
            await self._authenticate(access_token)
        except Refused as refused:
            over = token.expires_at + self._authenticate.policy.leeway
            return refused.refusal is Refusal.UNAVAILABLE and self._authenticate.clock() < over
        return True


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream of one listener; ``end`` may be called at any time."""

    listen: Listen
    listener: Listener
    access_token: str
    token: ClientToken
    resumes_after: str | None

    def end(self) -> None:
        """Send no more, and free the place."""
        self.listen.listeners.leave(self.listener)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What is sent, until the end."""
        listen, listener = self.listen, self.listener
        yield RETRY
        if self.resumes_after is not None:
            try:
                async for missed in listen.missed(listener, self.resumes_after):
                    yield missed.text
            except Refused:
                return  # It resumes once Postgres answers.
        yield listen.ready(listener).text
        while (piece := await listener.next()) is not None:
            if piece.is_comment and not await listen.still_may(self.access_token, self.token):
                return
            yield piece.text


def _reset() -> Piece:
    return Piece(event(Message(RESET, {})).encode())
