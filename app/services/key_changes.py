"""Changes to the signing keys, automatic or by an operator."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.domain.events import Actor
from app.domain.keys import KeyChange, KeyPolicy, KeyState, SealedKey, SigningKey, due_change
from app.storage.postgres.keys import Decide, KeyStore

MEND = "list the secret that sealed it in AUTH_SECRET_KEYS"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Makes changes, each decided and made under one lock, so all processes agree."""

    keys: KeyStore
    maker: KeyMaker
    policy: KeyPolicy

    async def advance(self) -> tuple[list[SigningKey], datetime]:
        """Make the automatic change that is due; returns the keys after it and the database's time."""
        keys, now = await self.keys.all()
        if not due_change(keys, self.policy, now=now):
            return keys, now
        try:
            await self.make(lambda keys, now: due_change(keys, self.policy, now=now), Actor.SERVICE)
        except UnopenableKeyError as error:
            _log.error("key.unopenable", kid=str(error), mend=MEND)
        return await self.keys.all()

    async def make(self, decide: Decide, actor: Actor, *, revoked_for: timedelta | None = None) -> KeyChange:
        """Make a change; new keys are generated outside the lock, until there is one for each vacant state.

        Raises UnopenableKeyError when our secrets do not include those of the current keys: no other replica
        could open a key sealed with ours.
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
