"""Stored password hashes, as ``check-config`` looks at them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from app.crypto.hash_formats import format_name
from app.crypto.passwords import parse_hash
from app.storage.postgres.accounts import AccountStore

MOST_CHECKED = 50_000


class HashCount(NamedTuple):
    """How many hashes were looked at, whether these were all, and those that nothing verifies by format."""

    checked: int
    is_complete: bool
    unknown: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PasswordHashes:
    """Counts hashes that no password matches, because no verifier understands them."""

    accounts: AccountStore

    async def count(self, at_most: int = MOST_CHECKED) -> HashCount:
        """Look at the first accounts, page by page in the order of their ids.

        Ids are random, so the first ones are a sample of all.
        """
        unknown, checked, after = Counter[str](), 0, UUID(int=0)
        while checked < at_most:
            page = await self.accounts.hashes(after)
            if not page:
                return HashCount(checked, True, unknown)
            unknown.update(format_name(stored) for _, stored in page if parse_hash(stored) is None)
            checked, (after, _) = checked + len(page), page[-1]
        return HashCount(checked, False, unknown)
