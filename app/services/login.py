"""Login: opens a session for whoever knows an account's password."""

from contextlib import suppress
from dataclasses import replace

import structlog

from app.crypto.devices import DeviceTokens
from app.crypto.passwords import Overloaded, PasswordHasher
from app.domain.accounts import Account, normalise_email
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import Client
from app.services.sessions import OpenSession, TokenPair
from app.services.throttling import Throttle
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import Visitor

_log = structlog.get_logger()


class Login:
    """Opens a session for whoever knows an account's password."""

    def __init__(
        self,
        accounts: AccountStore,
        hasher: PasswordHasher,
        throttle: Throttle,
        devices: DeviceTokens,
        open_session: OpenSession,
    ) -> None:
        self._accounts = accounts
        self._hasher = hasher
        self._throttle = throttle
        self._devices = devices
        self._open_session = open_session

    async def __call__(
        self, email: str, password: str, client: Client, visitor: Visitor, device: str | None = None
    ) -> TokenPair:
        """The tokens of a new session.

        A ``device`` that presents what it is known by, or nothing yet (the empty text), is known from now on.
        Refuses with TooManyRequests before any work when too many guesses have failed.
        """
        self._open_session.require_ready()
        address = normalise_email(email)
        attempt = await self._throttle.login(address or email, visitor.address, device)
        try:
            account = await self._verified(address, password)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_CREDENTIALS:
                await attempt.give_back()
            raise
        await attempt.succeeded()
        pair = await self._open_session(account.id, account.password_version, client, visitor)
        if device is None:
            return pair
        return replace(pair, device=self._devices.remember(device, account.email, account.password_version))

    async def _verified(self, address: str | None, password: str) -> Account:
        account = None if address is None else await self._accounts.by_email(address)
        # An unknown account costs a verification too, so that its absence does not show (ASVS 6.3.8).
        verdict = await self._hasher.verify(password, account.password_hash if account else None)
        if account is None or not verdict.matches:
            _log.info("login.failed", account=str(account.id) if account else None)
            raise Refused(Refusal.INVALID_CREDENTIALS)
        if not account.enabled:
            _log.info("login.failed", account=str(account.id), disabled=True)
            raise Refused(Refusal.ACCOUNT_DISABLED)
        if verdict.outdated:
            await self._rehash(account, password)
        return account

    async def _rehash(self, account: Account, password: str) -> None:
        # A queue that is full is no reason to refuse a right password; the next login comes by again.
        with suppress(Overloaded):
            new_hash = await self._hasher.hash(password)
            await self._accounts.rehash(account.id, account.password_hash, new_hash)
