"""The account behind an access token."""

from dataclasses import dataclass

from app.domain.access_tokens import AccessToken
from app.domain.accounts import Account
from app.domain.refusals import Refusal, Refused
from app.services.access_tokens import Authenticate
from app.storage.postgres.accounts import AccountStore


@dataclass(frozen=True, slots=True)
class Caller:
    """Who presents an access token: what the token says, and the account as the service knows it now."""

    token: AccessToken
    account: Account


class WhoAmI:
    """The account behind an access token."""

    def __init__(self, store: AccountStore, authenticate: Authenticate) -> None:
        self._store = store
        self._authenticate = authenticate

    async def __call__(self, access_token: str) -> Caller:
        """The caller; refuses with ``invalid_token`` when the token does not hold.

        Nor does it when the account is gone or disabled, the session has ended or the key was retired: the
        look-up that is needed for the account tells that as well, whatever Redis knows.
        """
        token, ids = await self._authenticate.unless_indexed(access_token)
        account = await self._store.of_session(token.account_id, token.session_id, ids)
        if account is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return Caller(token, account)
