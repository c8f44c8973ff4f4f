"""Logout: ends the sessions of the presented tokens, or every session of the account."""

from dataclasses import dataclass
from uuid import UUID

from app.domain.access_tokens import SessionToken
from app.domain.events import Event, EventKind, Reason, by_owner
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import RefreshToken, SessionPolicy, has_ended, has_expired
from app.domain.visitors import Visitor
from app.services.access_tokens import Authenticate
from app.services.end_sessions import EndSessions
from app.services.owner.caller import WhoAmI
from app.services.owner.find_session import FindSession


@dataclass(frozen=True, slots=True)
class Logout:
    """Ends the sessions of the presented tokens, and all access tokens of these sessions."""

    find: FindSession
    authenticate: Authenticate
    end_sessions: EndSessions

    async def __call__(self, refresh_token: str | None, access_token: str | None, visitor: Visitor) -> None:
        """End those sessions; a forged token is ignored.

        A superseded refresh token serves as well, since its holder may end the session.
        """
        if access_token is not None:
            await self._by_access_token(access_token, visitor)
        token = None if refresh_token is None else self.find.tokens.read(refresh_token)
        if token is not None:
            await self._by_refresh_token(token, visitor)

    async def _by_refresh_token(self, token: RefreshToken, visitor: Visitor) -> None:
        # Most are current, and one statement ends their sessions.
        if await self.end_sessions.of_current(token, _logout(visitor, token.session_id)):
            return
        found = await self.find.of(token)
        if found is not None:
            await self.end_sessions.of_holder(token.session_id, _logout(visitor, token.session_id))

    async def _by_access_token(self, text: str, visitor: Visitor) -> None:
        try:
            token, ids = await self.authenticate.genuine(text)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_TOKEN:
                raise
            return
        if isinstance(token, SessionToken):
            # The statement looks for revocations itself. That of the session only shows that it has ended.
            others = [each for each in ids if each != str(token.session_id)]
            event = _logout(visitor, token.session_id)
            await self.end_sessions.of_holder(
                token.session_id, event, (token.token_id,), unless_revoked=others
            )


def _logout(visitor: Visitor, session_id: UUID) -> Event:
    """The event of a logout; its session tells the account."""
    return by_owner(visitor, EventKind.SESSION_ENDED, None, session_id, Reason.LOGOUT)


@dataclass(frozen=True, slots=True)
class LogoutEverywhere:
    """Ends every session of the account that a token belongs to."""

    find: FindSession
    who_am_i: WhoAmI
    end_sessions: EndSessions
    policy: SessionPolicy

    async def __call__(self, refresh_token: str | None, access_token: str | None, visitor: Visitor) -> None:
        """End them all; refuses with ``invalid_token`` when neither token belongs to a living session."""
        account_id = await self._account(refresh_token, access_token)
        event = by_owner(visitor, EventKind.SESSION_ENDED, account_id, reason=Reason.LOGOUT_EVERYWHERE)
        await self.end_sessions.of_account(account_id, event)

    async def _account(self, refresh_token: str | None, access_token: str | None) -> UUID:
        found = None if refresh_token is None else await self.find(refresh_token)
        if found is not None:
            session, now = found
            if not has_ended(session) and not has_expired(session, self.policy, now=now):
                return session.grant.account_id
        if access_token is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return (await self.who_am_i(access_token)).account.id
