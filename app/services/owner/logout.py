"""Logout: ends the sessions that the presented tokens belong to, or all of an account."""

from datetime import datetime
from uuid import UUID

from app.crypto.refresh_tokens import RefreshTokens
from app.domain.access_tokens import AccessToken
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import Session, SessionGrant, SessionPolicy, has_expired
from app.domain.visitors import Visitor
from app.services.access_tokens import Authenticate
from app.services.owner.caller import WhoAmI
from app.services.revocations import Revocations
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import SessionStore


class FindSession:
    """The session that a refresh token belongs to, whatever its generation."""

    def __init__(self, sessions: SessionStore, tokens: RefreshTokens) -> None:
        self._sessions = sessions
        self._tokens = tokens

    async def __call__(self, refresh_token: str) -> tuple[Session, datetime] | None:
        """The session and the database's time, or None when the token is nobody's."""
        token = self._tokens.read(refresh_token)
        found = None if token is None else await self._sessions.read(token.session_id)
        if token is None or found is None:
            return None
        session, _ = found
        is_genuine = self._tokens.is_genuine(token, session.generation, session.refresh_token_hash)
        return found if is_genuine else None


class Logout:
    """Ends the sessions that the presented tokens belong to, with all their access tokens."""

    def __init__(
        self,
        sessions: SessionStore,
        find: FindSession,
        authenticate: Authenticate,
        revocations: Revocations,
    ) -> None:
        self._sessions = sessions
        self._find = find
        self._authenticate = authenticate
        self._revocations = revocations

    async def __call__(self, refresh_token: str | None, access_token: str | None, visitor: Visitor) -> None:
        """End what there is to end; a token that is nobody's ends nothing and is no error.

        Any genuine refresh token serves, an ancestor too: whoever holds one may end the session.
        """
        if access_token is not None:
            await self._by_access_token(access_token, visitor)
        found = None if refresh_token is None else await self._find(refresh_token)
        if found is not None:
            await self._end(found[0].grant, visitor)

    async def _by_access_token(self, text: str, visitor: Visitor) -> None:
        try:
            token = await self._authenticate(text)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_TOKEN:
                raise
            return
        await self._end(token, visitor, token.token_id)

    async def _end(self, of: SessionGrant | AccessToken, visitor: Visitor, *token_ids: str) -> None:
        event = by_visitor(visitor, EventKind.SESSION_ENDED, of.account_id, of.session_id, by="logout")
        await self._sessions.end(of.session_id, self._revocations.lasts, event, token_ids)
        # Also when it had ended before: whoever ended it may have died before the index knew.
        await self._revocations.announce((str(of.session_id), *token_ids))


class LogoutEverywhere:
    """Ends every session of the account that a token speaks for."""

    def __init__(
        self,
        accounts: AccountStore,
        find: FindSession,
        who_am_i: WhoAmI,
        revocations: Revocations,
        policy: SessionPolicy,
    ) -> None:
        self._accounts = accounts
        self._find = find
        self._who_am_i = who_am_i
        self._revocations = revocations
        self._policy = policy

    async def __call__(self, refresh_token: str | None, access_token: str | None, visitor: Visitor) -> None:
        """End them all; refuses with ``invalid_token`` when neither token is one of a living session."""
        account_id = await self._account(refresh_token, access_token)
        event = by_visitor(visitor, EventKind.SESSION_ENDED, account_id, by="logout everywhere")
        ended = await self._accounts.end_sessions(account_id, self._revocations.lasts, event)
        await self._revocations.announce(ended)

    async def _account(self, refresh_token: str | None, access_token: str | None) -> UUID:
        found = None if refresh_token is None else await self._find(refresh_token)
        if found is not None:
            session, now = found
            if session.revoked_at is None and not has_expired(session, self._policy, now=now):
                return session.grant.account_id
        if access_token is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return (await self._who_am_i(access_token)).account.id
