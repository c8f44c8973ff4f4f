"""Changes to the signing keys: the automatic steps, and the operator's."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.domain.events import Actor
from app.domain.keys import KeyChange, KeyPolicy, KeyState, SealedKey, SigningKey, due
from app.storage.postgres.keys import Decide, KeyStore

MEND = "list the secret that sealed it in AUTH_SECRET_KEYS"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Makes changes, each decided under the lock in which it is made: all processes agree."""

    keys: KeyStore
    maker: KeyMaker
    policy: KeyPolicy

    async def advance(self) -> tuple[list[SigningKey], datetime]:
        """Take the step that is due, if any; answers the keys after it, and the database's time."""
        keys, now = await self.keys.all()
        if not due(keys, self.policy, now=now):
            return keys, now
        try:
            await self.make(lambda keys, now: due(keys, self.policy, now=now), Actor.SERVICE)
        except UnopenableKeyError as error:
            _log.error("key.unopenable", kid=str(error), mend=MEND)
        return await self.keys.all()

    async def make(self, decide: Decide, actor: Actor, *, revoked_for: timedelta | None = None) -> KeyChange:
        """Make a change; new keys are generated outside the lock, until there is one for each free place.

        Raises UnopenableKeyError where the secrets are not those of the service: no other replica could open
        a key that was sealed with them.
        """
        for key in (await self.keys.all())[0]:
            if key.state is not KeyState.VERIFYING and not self.maker.knows(key):
                raise UnopenableKeyError(key.kid)
        candidates: list[SealedKey] = []
        while True:
            change = await self.keys.change(decide, candidates, revoked_for=revoked_for, actor=actor)
            if change is not None:
                return change
            candidates.append(await asyncio.to_thread(self.maker.make, self.policy.kind))
