"""Login: opens a session for whoever knows an account's password."""

from app.crypto.passwords import PasswordCheck, PasswordHasher
from app.domain.accounts import Account, normalise_email
from app.domain.events import EventKind, by_visitor
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.open_session import OpenSession, TokenPair
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
        self, email: str, password: str, client: ClientKind, visitor: Visitor, device: str | None = None
    ) -> TokenPair:
        """The tokens of a new session, for which a ``device`` is known from now on.

        Refuses with Overloaded, before any query or charge, while too many are at it, and with
        TooManyRequests when too many guesses have failed.
        """
        self._open_session.require_ready()
        with self._hasher.place():
            return await self._signed_in(email, password, client, visitor, device)

    async def _signed_in(
        self, email: str, password: str, client: ClientKind, visitor: Visitor, device: str | None
    ) -> TokenPair:
        address = normalise_email(email)
        attempt = await self._admitted(address, email, visitor, device)
        try:
            account, verdict = await self._verified(address, password)
        except Refused:
            await attempt.give_back()
            raise
        # From here on the charge stands until there is a session: were it given back because something could
        # not be written, guesses would be free meanwhile, and the right one would show.
        if account is None or not verdict.matches:
            await self._events.add(
                by_visitor(visitor, EventKind.LOGIN_FAILED, account.id if account else None)
            )
            raise Refused(Refusal.INVALID_CREDENTIALS)
        if not account.enabled:
            await self._events.add(by_visitor(visitor, EventKind.LOGIN_FAILED, account.id, disabled=True))
            raise Refused(Refusal.ACCOUNT_DISABLED)
        if verdict.outdated:
            await self._rehash(account, password)
        pair = await self._open_session(account, account.password_version, client, visitor, device)
        await attempt.succeeded()
        return pair

    async def _admitted(
        self, address: str | None, email: str, visitor: Visitor, device: str | None
    ) -> Attempt:
        """Let the guess through as a known device's, or else as a stranger's; what opens first is told."""
        refusals = []
        for way in self._throttle.ways(address or email, visitor.address, device):
            try:
                return await self._throttle.admit(way)
            except TooManyRequests as refused:
                refusals.append(refused)
                if refused.is_news:
                    await self._tell_throttled(refused, address, visitor)
        raise min(refusals, key=lambda refused: refused.opens_in)

    async def _tell_throttled(self, refused: TooManyRequests, address: str | None, visitor: Visitor) -> None:
        account = await self._account(address)
        account_id, budget = account.id if account else None, refused.budget.name
        await self._events.add(by_visitor(visitor, EventKind.LOGIN_THROTTLED, account_id, budget=budget))

    async def _account(self, address: str | None) -> Account | None:
        return None if address is None else await self._accounts.by_email(address)

    async def _verified(self, address: str | None, password: str) -> tuple[Account | None, PasswordCheck]:
        account = await self._account(address)
        # An unknown account costs a verification too, so that its absence does not show (ASVS 6.3.8).
        return account, await self._hasher.verify(password, account.password_hash if account else None)

    async def _rehash(self, account: Account, password: str) -> None:
        new_hash = await self._hasher.hash(password)
        await self._accounts.rehash(account.id, account.password_hash, new_hash)
