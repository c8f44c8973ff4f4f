"""Login: opens a session for whoever knows an account's password."""

from contextlib import suppress

from app.crypto.passwords import Overloaded, PasswordHasher
from app.domain.accounts import Account, normalise_email
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import Client
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.sessions import OpenSession, TokenPair
from app.services.throttling import Attempt, Throttle
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.events import EventStore


class Login:
    """Opens a session for whoever knows an account's password."""

    def __init__(
        self,
        accounts: AccountStore,
        hasher: PasswordHasher,
        throttle: Throttle,
        open_session: OpenSession,
        events: EventStore,
    ) -> None:
        self._accounts = accounts
        self._hasher = hasher
        self._throttle = throttle
        self._open_session = open_session
        self._events = events

    async def __call__(
        self, email: str, password: str, client: Client, visitor: Visitor, device: str | None = None
    ) -> TokenPair:
        """The tokens of a new session, for which a ``device`` is known from now on.

        Refuses before any work with Overloaded while the queue for hashing is full, and with TooManyRequests
        when too many guesses have failed.
        """
        self._open_session.require_ready()
        self._hasher.require_room()
        address = normalise_email(email)
        attempt = await self._admitted(address, email, visitor, device)
        try:
            account = await self._verified(address, password, visitor)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_CREDENTIALS:
                await attempt.give_back()
            raise
        await attempt.succeeded()
        return await self._open_session(account, account.password_version, client, visitor, device)

    async def _admitted(
        self, address: str | None, email: str, visitor: Visitor, device: str | None
    ) -> Attempt:
        try:
            return await self._throttle.login(address or email, visitor.address, device)
        except TooManyRequests as refused:
            if refused.is_news:
                account = None if address is None else await self._accounts.by_email(address)
                account_id = None if account is None else account.id
                budget = refused.budget.name
                await self._events.add(
                    by_visitor(visitor, EventKind.LOGIN_THROTTLED, account_id, budget=budget)
                )
            raise

    async def _verified(self, address: str | None, password: str, visitor: Visitor) -> Account:
        account = None if address is None else await self._accounts.by_email(address)
        # An unknown account costs a verification too, so that its absence does not show (ASVS 6.3.8).
        verdict = await self._hasher.verify(password, account.password_hash if account else None)
        if account is None or not verdict.matches:
            account_id = None if account is None else account.id
            await self._events.add(by_visitor(visitor, EventKind.LOGIN_FAILED, account_id))
            raise Refused(Refusal.INVALID_CREDENTIALS)
        if not account.enabled:
            await self._events.add(by_visitor(visitor, EventKind.LOGIN_FAILED, account.id, disabled=True))
            raise Refused(Refusal.ACCOUNT_DISABLED)
        if verdict.outdated:
            await self._rehash(account, password)
        return account

    async def _rehash(self, account: Account, password: str) -> None:
        # A queue that is full is no reason to refuse a right password; the next login comes by again.
        with suppress(Overloaded):
            new_hash = await self._hasher.hash(password)
            await self._accounts.rehash(account.id, account.password_hash, new_hash)
