"""New passwords: what is asked of them, whoever sets them."""

from collections.abc import Awaitable, Callable, Container
from typing import TypeAlias

from app.crypto.blocklist import range_digest
from app.domain.passwords import Objection, PasswordPolicy, Weakness, normalise, objection, weakness

IsBreached: TypeAlias = Callable[[str], Awaitable[bool]]
"""Whether the password of a ``range_digest`` was in a breach."""


class NewPasswords:
    """Judges what is to become a password, before anything is hashed.

    ``is_breached`` is None where no other service is asked.
    """

    def __init__(
        self, policy: PasswordPolicy, common: Container[str], is_breached: IsBreached | None
    ) -> None:
        self._policy = policy
        self._common = common
        self._is_breached = is_breached

    def objection(self, password: str, email: str) -> Objection | None:
        """What is wrong with it for the account of this address, or None."""
        found = weakness(password, email, self._policy, self._common)
        return None if found is None else objection(found, password, self._policy)

    async def breach(self, password: str) -> Objection | None:
        """That it was in a breach, if another service says so; asked last, of one without an objection."""
        if self._is_breached is None or not await self._is_breached(range_digest(normalise(password))):
            return None
        return objection(Weakness.BREACHED, password, self._policy)
