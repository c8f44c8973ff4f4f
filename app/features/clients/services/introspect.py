"""``Introspect``: what the service knows of a token now (RFC 7662)."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.access_tokens import ClientToken, SessionToken
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import Presented, RefreshToken, Session, SessionPolicy, Standing, judge
from app.domain.visitors import Visitor
from app.features.clients.domain import INTROSPECT, OAuthErrorCode, OAuthRefused
from app.features.clients.services.authenticate import AuthenticateClient, Credentials
from app.services.access_tokens import Authenticate
from app.services.owner.find_session import FindSession
from app.storage.postgres.accounts import AccountStore

_USABLE = {Standing.CURRENT, Standing.AHEAD, Standing.RETRY}


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """The facts of an active token: RFC 7662 section 2.2 describes each of them."""

    client_id: str
    token_type: str
    exp: int
    iat: int
    sub: str
    aud: str
    iss: str
    jti: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class ActiveTokens:
    """Finds out whether a token is active, from Postgres and not from Redis."""

    authenticate: Authenticate
    accounts: AccountStore
    find: FindSession
    sessions: SessionPolicy

    async def __call__(self, text: str) -> TokenFacts | None:
        """The facts of an access token or a refresh token, or None when it is not active."""
        refresh_token = self.find.tokens.read(text)
        if refresh_token is not None:
            found = await self.find(text)
            return None if found is None else self._refresh_token(refresh_token, *found)
        try:
            token, ids = await self.authenticate.genuine(text)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_TOKEN:
                raise
            return None
        if isinstance(token, SessionToken):
            if await self.accounts.of_session(token.account_id, token.session_id, ids) is None:
                return None
            return self._access_token(token, token.client.value, str(token.account_id))
        if await self.authenticate.revocations.store.find(ids):
            return None
        return self._access_token(token, token.client_id, token.client_id, " ".join(token.scopes))

    def _access_token(
        self, token: SessionToken | ClientToken, client_id: str, subject: str, scope: str | None = None
    ) -> TokenFacts:
        policy = self.authenticate.policy
        return TokenFacts(
            client_id=client_id,
            token_type="Bearer",
            exp=int(token.expires_at.timestamp()),
            iat=int(token.issued_at.timestamp()),
            sub=subject,
            aud=policy.audience,
            iss=policy.issuer,
            jti=token.token_id,
            scope=scope,
        )

    def _refresh_token(self, token: RefreshToken, session: Session, now: datetime) -> TokenFacts | None:
        """A refresh token is active while a refresh would accept it; asking uses nothing up.

        Its audience is the issuer, and its type says that it is no access token (RFC 8693 section 2.2.1), so
        that no service takes it for one.
        """
        grant, policy = session.grant, self.authenticate.policy
        if judge(Presented(token, grant.client, None), session, self.sessions, now=now) not in _USABLE:
            return None
        return TokenFacts(
            client_id=grant.client.value,
            token_type="N_A",
            exp=int(min(grant.expires_at, session.refreshed_at + self.sessions.idle).timestamp()),
            iat=int(session.refreshed_at.timestamp()),
            sub=str(grant.account_id),
            aud=policy.issuer,
            iss=policy.issuer,
        )


@dataclass(frozen=True, slots=True)
class Introspect:
    """Answers clients with the scope ``introspect``, and no one else."""

    authenticate_client: AuthenticateClient
    authenticate: Authenticate
    active: ActiveTokens

    async def __call__(
        self, caller: Credentials | str, token: str | None, visitor: Visitor
    ) -> TokenFacts | None:
        """The facts of an active token, or None; ``caller`` is a client's credentials or access token."""
        await self._require_scope(caller, visitor)
        if token is None:
            raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "The parameter token is missing.")
        return await self.active(token)

    async def _require_scope(self, caller: Credentials | str, visitor: Visitor) -> None:
        if isinstance(caller, str):
            scopes = (await self._client_token(caller)).scopes
        else:
            scopes = (await self.authenticate_client(caller, visitor)).scopes
        if INTROSPECT not in scopes:
            raise OAuthRefused(OAuthErrorCode.INSUFFICIENT_SCOPE, f"The client needs the scope {INTROSPECT}.")

    async def _client_token(self, text: str) -> ClientToken:
        refusal = OAuthRefused(
            OAuthErrorCode.INVALID_TOKEN, "The access token is no valid one of a service client."
        )
        try:
            token = await self.authenticate(text)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_TOKEN:
                raise
            raise refusal from None
        if not isinstance(token, ClientToken):
            raise refusal
        return token
