"""``IssueToken``: the client credentials grant (RFC 6749 section 4.4)."""

from dataclasses import dataclass, field

from app.domain.visitors import Visitor
from app.features.clients.domain import OAuthErrorCode, OAuthRefused, claims, granted_scopes
from app.features.clients.services.authenticate import AuthenticateClient, Credentials
from app.services.access_tokens import TokenMinter

GRANT = "client_credentials"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token of a client, its lifetime in seconds, and its scopes."""

    text: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Gives an access token to a client that proves who it is."""

    authenticate: AuthenticateClient
    minter: TokenMinter

    async def __call__(
        self, credentials: Credentials, grant_type: str | None, scope: str | None, visitor: Visitor
    ) -> IssuedToken:
        """A new token; raises OAuthRefused for wrong credentials, another grant or a scope it does not have.

        No refresh token comes with it (RFC 6749 section 4.4.3): the client can ask again.
        """
        self.minter.require_ready()
        client = await self.authenticate(credentials, visitor)
        if grant_type is None:
            raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "The parameter grant_type is missing.")
        if grant_type != GRANT:
            raise OAuthRefused(OAuthErrorCode.UNSUPPORTED_GRANT_TYPE, f"The only grant_type is {GRANT}.")
        scopes = granted_scopes(client, scope)
        signer = await self.minter.keys.signer(client.signing_kid)
        policy, now = self.minter.policy, self.minter.clock()
        text = signer.sign(claims(client, scopes, policy, self.minter.token_ids(), now=now))
        return IssuedToken(text, int(policy.lifetime.total_seconds()), scopes)
