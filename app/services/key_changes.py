"""Changes to the signing keys: the steps that are due by themselves, and the operator's commands."""

import asyncio
from datetime import datetime, timedelta

import structlog

from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.domain.keys import (
    KeyChange,
    KeyPolicy,
    KeyState,
    SealedKey,
    SigningKey,
    due,
)
from app.storage.postgres.keys import Decide, KeyStore

MEND = "list the secret that sealed it in AUTH_SECRET_KEYS"

_log = structlog.get_logger()


class KeyChanges:
    """Makes changes, each decided under the lock in which it is made: any number of processes agree."""

    def __init__(self, store: KeyStore, maker: KeyMaker, policy: KeyPolicy) -> None:
        self._store = store
        self._maker = maker
        self._policy = policy

    async def advance(self) -> tuple[list[SigningKey], datetime]:
        """Take the step that is due, if one is; answers the keys after it, and the database's time."""
        keys, now = await self._store.all()
        if not due(keys, self._policy, now=now):
            return keys, now
        try:
            await self.make(lambda keys, now: due(keys, self._policy, now=now))
        except UnopenableKeyError as error:
            _log.error("key.unopenable", kid=str(error), mend=MEND)
        return await self._store.all()

    async def make(
        self, decide: Decide, *, blacklisted_for: timedelta | None = None, by: str | None = None
    ) -> KeyChange:
        """Make a change; new keys are generated outside the lock, until there is one for each free place.

        Raises UnopenableKeyError where the secrets are not those of the service: nobody else could open what
        would be sealed with them.
        """
        for key in (await self._store.all())[0]:
            if key.state is not KeyState.VERIFYING and not self._maker.knows(key):
                raise UnopenableKeyError(key.kid)
        candidates: list[SealedKey] = []
        while True:
            change = await self._store.change(decide, candidates, blacklisted_for=blacklisted_for, by=by)
            if change is not None:
                return change
            candidates.append(await asyncio.to_thread(self._maker.make, self._policy.kind))
