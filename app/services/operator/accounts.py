"""Accounts, as operators handle them and as their owners see themselves."""

from collections.abc import Iterable, Sequence
from uuid import uuid4

from app.crypto.passwords import PasswordHasher
from app.domain.accounts import Account, is_role, normalise_email
from app.domain.events import EventKind, by_operator
from app.services.password_rules import NewPasswords
from app.services.revocations import Revocations
from app.services.throttling import Throttle
from app.storage.postgres.accounts import AccountStore


class AccountError(Exception):
    """Why an operator's change was refused, in one line."""


class Accounts:
    """The operator's hand on accounts; whatever takes something away ends the account's sessions."""

    def __init__(
        self,
        store: AccountStore,
        hasher: PasswordHasher,
        throttle: Throttle,
        revocations: Revocations,
        new_passwords: NewPasswords,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._throttle = throttle
        self._revocations = revocations
        self._new_passwords = new_passwords

    async def create(self, email: str, password: str, roles: Sequence[str]) -> Account:
        """Add an account; AccountError for a bad address, role or password, or an address that is taken."""
        address = normalise_email(email)
        if address is None:
            message = f"not an e-mail address: {email!r}"
            raise AccountError(message)
        granted = _checked_roles(roles)
        password_hash = await self._hash(password, address)
        account_id = uuid4()
        event = by_operator(EventKind.ACCOUNT_CREATED, account_id, roles=" ".join(granted))
        if not await self._store.add(account_id, address, password_hash, granted, event):
            message = f"the account {address} already exists"
            raise AccountError(message)
        return await self.find(address)

    async def all(self) -> list[Account]:
        """Every account, by address."""
        return await self._store.all()

    async def find(self, email: str) -> Account:
        """The account with this address in any spelling; AccountError when there is none."""
        address = normalise_email(email)
        account = None if address is None else await self._store.by_email(address)
        if account is None:
            message = f"no account has the address {email!r}"
            raise AccountError(message)
        return account

    async def enable(self, email: str) -> None:
        """Let the account sign in again."""
        account = await self.find(email)
        await self._store.enable(account.id, by_operator(EventKind.ACCOUNT_ENABLED, account.id))

    async def unlock(self, email: str) -> None:
        """Let devices that are not known guess the password again, which too many failures have stopped."""
        account = await self.find(email)
        if not await self._throttle.forget(account.email):
            raise AccountError("Redis does not answer, so that each process counts failures by itself")

    async def disable(self, email: str) -> int:
        """Refuse sign-in from now on; answers how many sessions ended."""
        account = await self.find(email)
        event = by_operator(EventKind.ACCOUNT_DISABLED, account.id)
        return await self._ended(await self._store.disable(account.id, self._revocations.lasts, event))

    async def delete(self, email: str) -> int:
        """Delete the account; answers how many sessions ended."""
        account = await self.find(email)
        event = by_operator(EventKind.ACCOUNT_DELETED, account.id)
        return await self._ended(await self._store.delete(account.id, self._revocations.lasts, event))

    async def set_roles(self, email: str, roles: Sequence[str]) -> int:
        """Replace the roles; one taken away ends the account's sessions, whose number is answered."""
        account, granted = await self.find(email), _checked_roles(roles)
        event = by_operator(EventKind.ACCOUNT_ROLES_CHANGED, account.id, roles=" ".join(granted))
        lasts = self._revocations.lasts
        return await self._ended(await self._store.set_roles(account.id, granted, lasts, event))

    async def set_password(self, email: str, password: str) -> int:
        """Replace the password; answers how many sessions ended."""
        account = await self.find(email)
        password_hash = await self._hash(password, account.email)
        event, lasts = by_operator(EventKind.PASSWORD_CHANGED, account.id), self._revocations.lasts
        return await self._ended(await self._store.set_password(account.id, password_hash, lasts, event))

    async def _hash(self, password: str, email: str) -> str:
        judge = self._new_passwords
        objection = judge.objection(password, email) or await judge.breach(password)
        if objection is not None:
            raise AccountError(objection.advice)
        return await self._hasher.hash(password)

    async def _ended(self, session_ids: Sequence[str]) -> int:
        await self._revocations.announce(session_ids)
        return len(session_ids)


def _checked_roles(roles: Iterable[str]) -> list[str]:
    granted = sorted(set(roles))
    for role in granted:
        if not is_role(role):
            message = f"not a role: {role!r} (1 to 64 of a-z, 0-9, _ . : -, a letter or digit first)"
            raise AccountError(message)
    return granted
