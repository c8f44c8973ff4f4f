"""Rules for new passwords, whether their owner or an operator sets them."""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from typing import TypeAlias

from app.crypto.blocklist import range_digest
from app.domain.passwords import Objection, PasswordPolicy, Weakness, normalise, objection, weakness
from app.domain.refusals import Refusal, Refused

IsBreached: TypeAlias = Callable[[str], Awaitable[bool]]
"""Whether the password of a ``range_digest`` was in a breach."""


class WeakPassword(Refused):
    """The new password is refused, with the advice what to do about it."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.objection = objection

    @property
    def sentence(self) -> str:
        """The advice."""
        return self.objection.advice


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """Judges a new password before anything is hashed; ``is_breached`` is None where no server is asked."""

    policy: PasswordPolicy
    common: Container[str]
    is_breached: IsBreached | None

    def require_strong(self, password: str, email: str) -> None:
        """Refuse with WeakPassword a password that the account with this address may not have."""
        found = weakness(password, email, self.policy, self.common)
        if found is not None:
            raise WeakPassword(objection(found, password, self.policy))

    async def require_unbreached(self, password: str) -> None:
        """Refuse with WeakPassword a password that another server knows from a breach; ask this last."""
        if self.is_breached is not None and await self.is_breached(range_digest(normalise(password))):
            raise WeakPassword(objection(Weakness.BREACHED, password, self.policy))
