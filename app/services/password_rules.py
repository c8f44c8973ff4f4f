"""Rules for new passwords, whether their owner or an operator sets them."""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from typing import TypeAlias

from app.crypto.blocklist import range_digest
from app.domain.guessable import GuessesLog10
from app.domain.passwords import Objection, PasswordPolicy, Weakness, normalise, objection, weakness
from app.domain.refusals import Refusal, Refused

IsBreached: TypeAlias = Callable[[str], Awaitable[bool]]
"""Returns whether the password with this ``range_digest`` was in a breach."""


class WeakPassword(Refused):
    """The new password is refused, with advice for a better one."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.objection = objection

    @property
    def sentence(self) -> str:
        """The advice."""
        return self.objection.advice


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """Checks a new password before it is hashed; ``is_breached`` is None when no server is configured."""

    policy: PasswordPolicy
    common: Container[str]
    guesses_log10: GuessesLog10
    is_breached: IsBreached | None

    def require_strong(self, password: str, email: str) -> None:
        """Refuse with WeakPassword a password that is too weak for the account with this address."""
        reason = weakness(password, email, self.policy, self.common, self.guesses_log10)
        if reason is not None:
            raise WeakPassword(objection(reason, password, self.policy))

    async def require_unbreached(self, password: str) -> None:
        """Refuse with WeakPassword a breached password. It asks another server, so call it last."""
        if self.is_breached is not None and await self.is_breached(range_digest(normalise(password))):
            raise WeakPassword(objection(Weakness.BREACHED, password, self.policy))
