"""Passwords: changed by their owners."""

from dataclasses import replace

import structlog

from app.crypto.devices import DeviceTokens
from app.crypto.passwords import PasswordHasher
from app.domain.accounts import Account
from app.domain.passwords import Objection
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import Client
from app.services.accounts import WhoAmI
from app.services.new_passwords import NewPasswords
from app.services.revocations import Revocations
from app.services.sessions import OpenSession, TokenPair
from app.services.throttling import Throttle
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import Visitor

_log = structlog.get_logger()


class WeakPassword(Refused):
    """The new password is refused, and why."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.objection = objection


class ChangePassword:
    """Replaces a password by whoever knows the current one, and ends every session that it had opened."""

    def __init__(
        self,
        accounts: AccountStore,
        hasher: PasswordHasher,
        who_am_i: WhoAmI,
        throttle: Throttle,
        devices: DeviceTokens,
        open_session: OpenSession,
        revocations: Revocations,
        new_passwords: NewPasswords,
    ) -> None:
        self._accounts = accounts
        self._hasher = hasher
        self._who_am_i = who_am_i
        self._throttle = throttle
        self._devices = devices
        self._open_session = open_session
        self._revocations = revocations
        self._new_passwords = new_passwords

    async def __call__(
        self, access_token: str, current: str, new: str, visitor: Visitor, device: str = ""
    ) -> TokenPair:
        """The tokens of a new session, which is then the account's only one; a browser's ``device`` knows it.

        An access token is not enough: whoever found one may not take the account over, nor guess for long.
        """
        self._open_session.require_ready()
        caller = await self._who_am_i(access_token)
        account, lasts = caller.account, self._revocations.lasts
        objection = await self._new_passwords.objection(new, account.email)
        if objection is not None:
            raise WeakPassword(objection)
        await self._verify(account, current)
        new_hash = await self._hasher.hash(new)
        ended = await self._accounts.change_password(account.id, account.password_version, new_hash, lasts)
        if ended is None:
            # It was changed while this one was being verified.
            raise Refused(Refusal.INVALID_CREDENTIALS)
        _log.info("password.changed", account=str(account.id), ended=len(ended))
        await self._revocations.announce(ended)
        version = account.password_version + 1
        pair = await self._open_session(account.id, version, caller.token.client, visitor)
        if caller.token.client is Client.NATIVE:
            return pair
        return replace(pair, device=self._devices.remember(device, account.email, version))

    async def _verify(self, account: Account, current: str) -> None:
        attempt = await self._throttle.password_change(account.id)
        try:
            verdict = await self._hasher.verify(current, account.password_hash)
        except Refused:
            await attempt.give_back()
            raise
        if not verdict.matches:
            _log.info("password.change_failed", account=str(account.id))
            raise Refused(Refusal.INVALID_CREDENTIALS)
        await attempt.succeeded()
