"""Refresh: rotates a session's refresh token, and ends the session when a superseded one is reused."""

from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from app.crypto.refresh_tokens import RefreshTokens
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.sessions import (
    ClientKind,
    Presented,
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

_log = structlog.get_logger()


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

    async def __call__(
        self, refresh_token: str, client: ClientKind, visitor: Visitor, idempotency_key: str | None = None
    ) -> TokenPair:
        """The session's next tokens; a retry is answered with the current refresh token.

        Refuses with TooManyRequests, before any query, when too many refreshes have failed.
        """
        self.minter.require_ready()
        token = self.tokens.read(refresh_token)
        budgets = self.throttle.budgets(None if token is None else token.session_id, visitor.address)
        self.throttle.require_open(budgets)
        try:
            if token is None:
                raise Refused(Refusal.REFRESH_TOKEN_INVALID)
            mark = None if idempotency_key is None else self.tokens.mark(token, idempotency_key)
            return await self._refreshed(Presented(token, client, mark), visitor)
        except Refused as refused:
            if refused.refusal is not Refusal.UNAVAILABLE:
                await self.throttle.failed(budgets)
            raise

    async def _refreshed(self, presented: Presented, visitor: Visitor) -> TokenPair:
        token = presented.token
        rotation = Rotation(presented, token.digest, self.tokens.at(token, token.generation + 1))
        grant = await self.sessions.rotate(rotation, visitor)
        if grant is not None:
            return await self._pair(grant, rotation.successor)
        # The row may change between the read and the rotation after it. Two rounds are enough unless
        # failovers set the row back repeatedly.
        for _ in range(2):
            pair = await self._judged(rotation, visitor)
            if pair is not None:
                return pair
        raise Unavailable("the session changed at every attempt to refresh it")

    async def _judged(self, rotation: Rotation, visitor: Visitor) -> TokenPair | None:
        token = rotation.presented.token
        found = await self.sessions.read(token.session_id)
        if found is None:
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        session, now = found
        if not self.tokens.is_genuine(token, session):
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        match judge(rotation.presented, session, self.policy, now=now):
            case Refusal() as refusal:
                raise Refused(refusal)
            case Standing.CURRENT | Standing.AHEAD:
                from_row = replace(rotation, expected=session.refresh_token_hash)
                grant = await self.sessions.rotate(from_row, visitor)
                return None if grant is None else await self._pair(grant, rotation.successor)
            case Standing.RETRY | Standing.LATE_RETRY as standing:
                if standing is Standing.LATE_RETRY:
                    _log_late_retry(session.grant, visitor)
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


def _log_late_retry(grant: SessionGrant, visitor: Visitor) -> None:
    """It is no event, because nothing changes; an operator sees here how often answers are lost for long."""
    fields = {"account": grant.account_id, "session": grant.session_id, "address": visitor.address}
    _log.info(
        "refresh.late_retry", **{name: str(value) for name, value in fields.items() if value is not None}
    )
