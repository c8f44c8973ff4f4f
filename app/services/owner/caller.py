"""The caller: the account that an access token belongs to."""

from dataclasses import dataclass

from app.domain.access_tokens import SessionToken
from app.domain.accounts import Account
from app.domain.refusals import Refusal, Refused
from app.services.access_tokens import Authenticate
from app.storage.postgres.accounts import AccountStore


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller's access token, and the current state of the account."""

    token: SessionToken
    account: Account


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """Finds the account that an access token belongs to."""

    accounts: AccountStore
    authenticate: Authenticate

    async def __call__(self, access_token: str) -> Caller:
        """The caller; refuses with ``invalid_token`` when the token is not accepted.

        The statement that reads the account also finds out whether the account is deleted or disabled, the
        session has ended or the key was retired. Redis is not asked.
        """
        token, ids = await self.authenticate.genuine(access_token)
        if not isinstance(token, SessionToken):
            raise Refused(Refusal.INVALID_TOKEN)
        account = await self.accounts.of_session(token.account_id, token.session_id, ids)
        if account is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return Caller(token, account)
