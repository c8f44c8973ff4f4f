"""Decoy hashes: make a login at an unknown account take as long as at a real one.

After the cost of hashing was changed, an account keeps its former cost until its owner's next login. So an
unknown e-mail address is given the cost of a stored hash: always the same one for an address, and each cost
for as many addresses as have it. Addresses with the cheapest come first. As accounts are hashed again, an
unknown address moves to the new cost once and stays there, as an account does.
"""

from collections.abc import Callable

from app.crypto.passwords import Decoy, decoy
from app.storage.postgres.accounts import AccountStore


class Decoys:
    """Chooses decoys by the costs of stored hashes; ``fraction`` gives each address a number below 1."""

    def __init__(self, accounts: AccountStore, fraction: Callable[[str], float]) -> None:
        self._accounts = accounts
        self._fraction = fraction
        self._counted: list[tuple[Decoy, int]] = []

    async def load(self) -> None:
        """Read which costs stored hashes have."""
        counted = []
        for cost, count in (await self._accounts.hash_costs()).items():
            try:
                counted.append((decoy(cost), count))
            except ValueError:
                # A hash that is never verified costs what one without this cost does.
                continue
        self._counted = sorted(counted, key=lambda each: each[0].work)

    def of(self, email: str) -> Decoy | None:
        """The decoy for an e-mail address, or None for one with the cost of new hashes."""
        place = self._fraction(email) * sum(count for _, count in self._counted)
        for each, count in self._counted:
            if place < count:
                return each
            place -= count
        return None
