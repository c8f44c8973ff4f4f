"""Refresh: rotates a session's refresh token."""

from typing import assert_never

from app.crypto.refresh_tokens import RefreshTokens
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import (
    ClientKind,
    RefreshToken,
    ReuseRevokes,
    Session,
    SessionGrant,
    SessionPolicy,
    Standing,
    judge,
)
from app.domain.throttling import network_of
from app.domain.visitors import Visitor
from app.services.access_tokens import TokenMinter
from app.services.open_session import TokenPair
from app.services.revocations import Revocations
from app.services.throttling import RefreshThrottle
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import SessionStore


class Refresh:
    """Rotates a session's refresh token, and ends the session when a superseded one comes back.

    RFC 9700 section 4.14.2; the rules are told in ``app.domain.sessions``.
    """

    def __init__(
        self,
        accounts: AccountStore,
        sessions: SessionStore,
        tokens: RefreshTokens,
        minter: TokenMinter,
        revocations: Revocations,
        throttle: RefreshThrottle,
        policy: SessionPolicy,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._minter = minter
        self._revocations = revocations
        self._throttle = throttle
        self._policy = policy

    async def __call__(self, presented: str, client: ClientKind, visitor: Visitor) -> TokenPair:
        """The session's next tokens; within the grace a superseded token meets the current one again.

        Refuses with TooManyRequests before any query when too many refreshes of its kind have failed.
        """
        self._minter.require_ready()
        token = self._tokens.read(presented)
        whose = network_of(visitor.address) if token is None else str(token.session_id)
        self._throttle.require_open(whose)
        try:
            if token is None:
                raise Refused(Refusal.REFRESH_TOKEN_INVALID)
            return await self._refreshed(token, client, visitor)
        except Refused as refused:
            if refused.refusal is not Refusal.UNAVAILABLE:
                await self._throttle.failed(whose)
            raise

    async def _refreshed(self, token: RefreshToken, client: ClientKind, visitor: Visitor) -> TokenPair:
        pair = await self._rotate(token, self._tokens.digest(token), client, visitor)
        # The row may change between a look at it and the rotation that follows: twice is always enough
        # unless it is being set back again and again.
        for _ in range(2):
            pair = pair or await self._look(token, client, visitor)
        if pair is None:
            raise Refused(Refusal.UNAVAILABLE)
        return pair

    async def _rotate(
        self, token: RefreshToken, expected: bytes, client: ClientKind, visitor: Visitor
    ) -> TokenPair | None:
        successor = self._tokens.at(token, token.generation + 1)
        grant = await self._sessions.rotate(
            token.session_id,
            expected,
            token.generation,
            self._tokens.digest(successor),
            client,
            self._policy,
            visitor,
        )
        return None if grant is None else await self._pair(grant, successor)

    async def _look(self, token: RefreshToken, client: ClientKind, visitor: Visitor) -> TokenPair | None:
        found = await self._sessions.read(token.session_id)
        if found is None:
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        session, now = found
        if not self._tokens.is_genuine(token, session.generation, session.refresh_token_hash):
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        match judge(token, session, client, self._policy, now=now):
            case Refusal() as refusal:
                raise Refused(refusal)
            case Standing.CURRENT | Standing.AHEAD:
                return await self._rotate(token, session.refresh_token_hash, client, visitor)
            case Standing.RETRY:
                return await self._pair(session.grant, self._tokens.at(token, session.generation))
            case Standing.REUSED:
                raise Refused(await self._end_reused(session, visitor))
            case never:
                assert_never(never)

    async def _end_reused(self, session: Session, visitor: Visitor) -> Refusal:
        """End what a reuse ends, before it is refused; of two at once, one reports it."""
        account_id, reused, lasts = (
            session.grant.account_id,
            session.grant.session_id,
            self._revocations.lasts,
        )
        event = by_visitor(visitor, EventKind.SESSION_REUSE_DETECTED, account_id, reused)
        if self._policy.reuse_revokes is ReuseRevokes.ACCOUNT:
            ended = await self._accounts.end_sessions(account_id, lasts, event, if_lives=reused)
        else:
            is_ended = await self._sessions.end(reused, lasts, event.with_details(ended=1))
            ended = [str(reused)] if is_ended else []
        if not ended:
            return Refusal.SESSION_REVOKED
        await self._revocations.announce(ended)
        return Refusal.REFRESH_TOKEN_REUSED

    async def _pair(self, grant: SessionGrant, token: RefreshToken) -> TokenPair:
        return TokenPair(await self._minter.mint(grant), self._tokens.write(token), grant.client)
