"""Refresh: rotates a session's refresh token, and ends the session when a superseded one is reused."""

from dataclasses import dataclass
from typing import assert_never

from app.crypto.refresh_tokens import RefreshTokens
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.sessions import (
    ClientKind,
    RefreshToken,
    ReuseRevokes,
    Rotation,
    Session,
    SessionGrant,
    SessionPolicy,
    Standing,
    judge,
)
from app.domain.visitors import Visitor
from app.services.access_tokens import TokenMinter
from app.services.end_sessions import EndSessions
from app.services.open_session import TokenPair
from app.services.throttling import RefreshThrottle
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class Refresh:
    """Exchanges a refresh token for its successor (RFC 9700 section 4.14.2).

    ``app.domain.sessions`` lists the rules by which a token is judged.
    """

    sessions: SessionStore
    tokens: RefreshTokens
    minter: TokenMinter
    end_sessions: EndSessions
    throttle: RefreshThrottle
    policy: SessionPolicy

    async def __call__(self, presented: str, client: ClientKind, visitor: Visitor) -> TokenPair:
        """The session's next tokens; within the grace a superseded token is answered with the current one.

        Refuses with TooManyRequests, before any query, when too many refreshes have failed.
        """
        self.minter.require_ready()
        token = self.tokens.read(presented)
        budgets = self.throttle.budgets(None if token is None else token.session_id, visitor.address)
        self.throttle.require_open(budgets)
        try:
            if token is None:
                raise Refused(Refusal.REFRESH_TOKEN_INVALID)
            return await self._refreshed(token, client, visitor)
        except Refused as refused:
            if refused.refusal is not Refusal.UNAVAILABLE:
                await self.throttle.failed(budgets)
            raise

    async def _refreshed(self, token: RefreshToken, client: ClientKind, visitor: Visitor) -> TokenPair:
        rotation = Rotation(token, token.digest, self.tokens.at(token, token.generation + 1))
        grant = await self.sessions.rotate(rotation, client, visitor)
        if grant is not None:
            return await self._pair(grant, rotation.successor)
        # The row may change between the read and the rotation after it. Two rounds are enough unless
        # failovers set the row back repeatedly.
        for _ in range(2):
            pair = await self._judged(rotation, client, visitor)
            if pair is not None:
                return pair
        raise Unavailable("the session changed at every attempt to refresh it")

    async def _judged(self, rotation: Rotation, client: ClientKind, visitor: Visitor) -> TokenPair | None:
        token, found = rotation.token, await self.sessions.read(rotation.token.session_id)
        if found is None:
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        session, now = found
        if not self.tokens.is_genuine(token, session):
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        match judge(token, session, client, self.policy, now=now):
            case Refusal() as refusal:
                raise Refused(refusal)
            case Standing.CURRENT | Standing.AHEAD:
                from_row = Rotation(token, session.refresh_token_hash, rotation.successor)
                grant = await self.sessions.rotate(from_row, client, visitor)
                return None if grant is None else await self._pair(grant, rotation.successor)
            case Standing.RETRY:
                return await self._pair(session.grant, self.tokens.at(token, session.generation))
            case Standing.REUSED:
                raise Refused(await self._end_reused(session, visitor))
            case never:
                assert_never(never)

    async def _end_reused(self, session: Session, visitor: Visitor) -> Refusal:
        """End the sessions that a reuse ends; of two concurrent reuses, only one is refused as a reuse."""
        account_id, reused = session.grant.account_id, session.grant.session_id
        event = by_visitor(visitor, EventKind.SESSION_REUSE_DETECTED, account_id, reused)
        if self.policy.reuse_revokes is ReuseRevokes.ACCOUNT:
            ended = await self.end_sessions.of_account(account_id, event, if_lives=reused)
        else:
            ended = await self.end_sessions.one(reused, event.with_details(ended=1))
        return Refusal.REFRESH_TOKEN_REUSED if ended else Refusal.SESSION_REVOKED

    async def _pair(self, grant: SessionGrant, token: RefreshToken) -> TokenPair:
        return TokenPair(await self.minter.mint(grant), token.text, grant.client)
