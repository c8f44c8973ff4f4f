"""Whether this process can do its work."""

from typing import NamedTuple

from app.domain.refusals import Refused
from app.services.keys import KeyRing
from app.storage.postgres.database import Database
from app.storage.redis.revocations import RevocationIndex


class Health(NamedTuple):
    """What works; without Redis everything goes on, only slower."""

    postgres: bool
    keys: bool
    redis: bool

    @property
    def is_ready(self) -> bool:
        """Whether requests can be served."""
        return self.postgres and self.keys


class Readiness:
    """Looks at everything that an answer needs."""

    def __init__(self, database: Database, keys: KeyRing, index: RevocationIndex) -> None:
        self._database = database
        self._keys = keys
        self._index = index

    async def __call__(self) -> Health:
        """The state at this moment."""
        return Health(await self._postgres(), self._can_sign(), self._index.is_trusted)

    async def _postgres(self) -> bool:
        try:
            await self._database.ping()
        except Refused:
            return False
        return True

    def _can_sign(self) -> bool:
        try:
            self._keys.require_signer()
        except Refused:
            return False
        return True
