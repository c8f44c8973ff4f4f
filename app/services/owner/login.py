"""Login: opens a session with an account's password."""

from dataclasses import dataclass

from app.domain.accounts import FIRST_VERSION, Account, CanonicalEmail, normalise_email
from app.domain.events import Event, EventKind, Reason, by_visitor
from app.domain.proofs import PASSWORD, Proof
from app.domain.refusals import Refusal
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.decoys import Decoys
from app.services.guesses import Guess, Guesses, mismatch
from app.services.open_session import OpenSession, TokenPair
from app.services.owner.find_session import FindSession
from app.storage.postgres.accounts import AccountStore


@dataclass(frozen=True, slots=True)
class Login:
    """Opens a session with an account's password."""

    accounts: AccountStore
    guesses: Guesses
    find_session: FindSession
    open_session: OpenSession
    decoys: Decoys

    async def __call__(
        self,
        email: str,
        password: str,
        client: ClientKind,
        visitor: Visitor,
        device: str | None = None,
        cookie: str | None = None,
    ) -> TokenPair:
        """The tokens of a new session; with ``device`` the account knows the device from now on.

        ``cookie`` is the browser's refresh token. The new one overwrites it, so its session ends.

        Refuses with Overloaded before any query or charge, and with TooManyRequests when too many guesses
        have failed.
        """
        self.open_session.require_ready()
        address = normalise_email(email)
        read: list[Account | None] = []

        async def account_once() -> Account | None:
            if not read:
                read.append(None if address is None else await self.accounts.by_email(address))
            return read[0]

        async def current_version() -> int:
            account = await account_once()
            return account.password_version if account else FIRST_VERSION

        async def throttled(refused: TooManyRequests) -> Event:
            account = await account_once()
            event = by_visitor(visitor, EventKind.LOGIN_THROTTLED, account.id if account else None)
            return event.with_details(budget=refused.budget.name)

        name = CanonicalEmail(address or email)
        attempt = self.guesses.throttle.login(name, visitor.address, device, current_version)
        async with self.guesses.guess(attempt, throttled) as guess:
            account = await account_once()
            # An unknown account costs a verification too, so response time does not reveal it (ASVS 6.3.8).
            check = await guess.verify(
                password, account.password_hash if account else None, self.decoys.of(name)
            )
            failed = by_visitor(visitor, EventKind.LOGIN_FAILED, account.id if account else None)
            if account is None:
                raise await guess.refuse(failed, Reason.UNKNOWN_ACCOUNT)
            if not check.matches:
                raise await guess.refuse(failed, mismatch(check))
            if not account.enabled:
                raise await guess.refuse(failed, Reason.ACCOUNT_DISABLED, Refusal.ACCOUNT_DISABLED)
            if check.outdated:
                await self._rehash(guess, account, password)
            proof = Proof(account.id, account.password_version, (PASSWORD,))
            found = None if cookie is None else await self.find_session(cookie)
            predecessor = None if found is None else found[0].grant
            return await self.open_session(proof, client, visitor, device, predecessor)

    async def _rehash(self, guess: Guess, account: Account, password: str) -> None:
        await self.accounts.rehash(account.id, account.password_hash, await guess.hash(password))
