"""``RevokeToken``: the holder of a token ends it (RFC 7009)."""

from dataclasses import dataclass

from app.domain.access_tokens import ClientToken, SessionToken
from app.domain.events import EventKind, Reason, by_owner
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.features.clients.domain import OAuthErrorCode, OAuthRefused, by_client
from app.features.clients.services.authenticate import AuthenticateClient, Credentials
from app.features.clients.storage.tokens import TokenRevocations
from app.services.access_tokens import Authenticate
from app.services.end_sessions import EndSessions
from app.services.owner.find_session import FindSession


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Ends the session of a refresh token, and revokes an access token.

    Tokens of sessions are issued to public clients, ``browser`` and ``native``: to hold one is enough. A
    service client's token is revoked by that client alone (RFC 7009 section 2.1).
    """

    authenticate_client: AuthenticateClient
    authenticate: Authenticate
    find: FindSession
    end_sessions: EndSessions
    revocations: TokenRevocations

    async def __call__(
        self, caller: Credentials | None, client_id: str | None, token: str | None, visitor: Visitor
    ) -> None:
        """Revoke the token; one that is not valid needs no revocation (RFC 7009 section 2.2)."""
        client = None if caller is None else str((await self.authenticate_client(caller, visitor)).id)
        if client is None and client_id not in {None, *ClientKind}:
            raise OAuthRefused(OAuthErrorCode.INVALID_CLIENT, "The client has to prove who it is.")
        if token is None:
            raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "The parameter token is missing.")
        if (found := await self.find(token)) is not None:
            grant = found[0].grant
            _require_issued_to(grant.client, None if client else client_id)
            ended = by_owner(
                visitor, EventKind.SESSION_ENDED, grant.account_id, grant.session_id, Reason.LOGOUT
            )
            await self.end_sessions.of_holder(grant.session_id, ended)
            return
        access_token = await self._access_token(token)
        if isinstance(access_token, SessionToken):
            _require_issued_to(access_token.client, None if client else client_id)
            account_id, session_id = access_token.account_id, access_token.session_id
            event = by_owner(visitor, EventKind.TOKEN_REVOKED, account_id, session_id)
        elif access_token is not None:
            _require_own(access_token, client)
            event = by_client(visitor, EventKind.TOKEN_REVOKED, access_token.client_id)
        else:
            return
        await self.revocations.add(access_token.token_id, event)
        await self.end_sessions.revocations.announce([access_token.token_id])

    async def _access_token(self, text: str) -> SessionToken | ClientToken | None:
        try:
            return await self.authenticate(text)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_TOKEN:
                raise
            return None


def _require_issued_to(kind: ClientKind, client_id: str | None) -> None:
    """A public client that names itself names the kind of client that the token was issued to."""
    if client_id is not None and client_id != kind:
        raise OAuthRefused(OAuthErrorCode.INVALID_GRANT, "The token was issued to another client.")


def _require_own(token: ClientToken, client: str | None) -> None:
    if client is None:
        raise OAuthRefused(OAuthErrorCode.INVALID_CLIENT, "The client has to prove who it is.")
    if client != token.client_id:
        raise OAuthRefused(OAuthErrorCode.INVALID_GRANT, "The token was issued to another client.")
