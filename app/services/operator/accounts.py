"""Accounts, as an operator manages them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from app.crypto.passwords import PasswordHasher
from app.domain.access_tokens import MAX_ROLES_SIZE, size_of
from app.domain.accounts import Account, canonical_email, fold_email, is_role, normalise_email
from app.domain.events import EventKind, by_operator
from app.domain.refusals import Refusal, Refused
from app.services.end_sessions import EndSessions
from app.services.password_rules import PasswordRules
from app.services.throttling import Throttle
from app.storage.postgres.accounts import AccountStore

PAGE_SIZE, BATCH_SIZE = 1000, 20_000
"""How many accounts one statement reads, and how many addresses one statement looks at."""
MOST_LOOKED_AT = 1_000_000


@dataclass(frozen=True, slots=True)
class Accounts:
    """An operator's changes to accounts; a change that takes access away ends the account's sessions."""

    accounts: AccountStore
    hasher: PasswordHasher
    throttle: Throttle
    rules: PasswordRules
    end_sessions: EndSessions

    async def create(self, email: str, password: str, roles: Sequence[str]) -> Account:
        """Add an account; refuses an invalid address or role, a weak password and an address in use."""
        address = normalise_email(email)
        if address is None:
            raise Refused(Refusal.EMAIL_INVALID, email=email)
        granted = _checked_roles(roles)
        if await self.accounts.by_email(address):
            raise Refused(Refusal.EMAIL_TAKEN, email=address)
        password_hash = await self._hash(password, address)
        account_id = uuid4()
        event = by_operator(EventKind.ACCOUNT_CREATED, account_id, roles=" ".join(granted))
        if not await self.accounts.add(account_id, address, password_hash, granted, event):
            raise Refused(Refusal.EMAIL_TAKEN, email=address)
        return await self.find(address)

    async def by_address(self, prefix: str, after: str, limit: int) -> AsyncIterator[Account]:
        """The first accounts by address that begin with ``prefix`` and follow ``after``.

        They are read in pages, so memory does not grow with their number.
        """
        prefix = fold_email(prefix)
        while page := await self.accounts.page(prefix, after, min(PAGE_SIZE, limit)):
            for account in page:
                yield account
            limit, after = limit - len(page), page[-1].email

    async def find(self, name: str) -> Account:
        """The account with this address in any case and form, or this id; or ``account_unknown``."""
        address = normalise_email(name)
        if address is not None:
            account = await self.accounts.by_email(address)
        else:
            account_id = as_id(name)
            account = None if account_id is None else await self.accounts.by_id(account_id)
        if account is None:
            raise Refused(Refusal.ACCOUNT_UNKNOWN, email=name)
        return account

    async def unreachable(self, at_most: int = MOST_LOOKED_AT) -> list[UUID]:
        """Of the first accounts, those whose address is invalid or leads to another account."""
        found, after = list[UUID](), UUID(int=0)
        for _ in range(0, at_most, BATCH_SIZE):
            last, unusual = await self.accounts.unusual(after, BATCH_SIZE)
            if last is None:
                break
            for account_id, email in unusual:
                address = normalise_email(email)
                reached = await self.accounts.by_email(address) if address else None
                if reached is None or reached.id != account_id:
                    found.append(account_id)
            after = last
        return found

    async def enable(self, email: str) -> None:
        """Allow sign-in again."""
        account = await self.find(email)
        await self.accounts.enable(account.id, by_operator(EventKind.ACCOUNT_ENABLED, account.id))

    async def unlock(self, email: str) -> None:
        """Let unknown devices guess the password again after too many failures."""
        account = await self.find(email)
        if not await self.throttle.unlock(canonical_email(account.email)):
            raise Refused(Refusal.LIMITS_NOT_SHARED)

    async def disable(self, email: str) -> int:
        """Refuse sign-in from now on; returns how many sessions ended."""
        account = await self.find(email)
        event = by_operator(EventKind.ACCOUNT_DISABLED, account.id)
        return await self.end_sessions.announce(await self.accounts.disable(account.id, event))

    async def delete(self, email: str) -> int:
        """Disable the account and delete it; returns how many sessions ended."""
        account = await self.find(email)
        ended = await self.disable(str(account.id))
        await self.end_sessions.forget(account.id)
        event = by_operator(EventKind.ACCOUNT_DELETED, account.id)
        return ended + await self.end_sessions.announce(await self.accounts.delete(account.id, event))

    async def set_roles(self, email: str, roles: Sequence[str]) -> int:
        """Replace the roles; if one is removed, the sessions end. Returns how many ended."""
        account, granted = await self.find(email), _checked_roles(roles)
        event = by_operator(EventKind.ACCOUNT_ROLES_CHANGED, account.id, roles=" ".join(granted))
        return await self.end_sessions.announce(await self.accounts.set_roles(account.id, granted, event))

    async def set_password(self, email: str, password: str) -> int:
        """Replace the password; returns how many sessions ended."""
        account = await self.find(email)
        password_hash = await self._hash(password, account.email)
        event = by_operator(EventKind.PASSWORD_CHANGED, account.id)
        ended = await self.accounts.set_password(account.id, password_hash, event)
        return await self.end_sessions.announce(ended)

    async def _hash(self, password: str, email: str) -> str:
        self.rules.require_strong(password, email)
        await self.rules.require_unbreached(password)
        return await self.hasher.hash(password)


def as_id(text: str) -> UUID | None:
    """The id that is written in ``text``, or None when it is something else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _checked_roles(roles: Iterable[str]) -> list[str]:
    granted = sorted(set(roles))
    for role in granted:
        if not is_role(role):
            raise Refused(Refusal.ROLE_INVALID, role=role)
    size = size_of(granted)
    if size > MAX_ROLES_SIZE:
        raise Refused(Refusal.ROLES_TOO_LONG, size=size, room=MAX_ROLES_SIZE)
    return granted
