"""Signing keys, as an operator manages them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.domain.events import Actor
from app.domain.keys import (
    KeyChange,
    KeyPolicy,
    KeyState,
    SigningKey,
    in_state,
    may_sign_from,
    next_step,
    retirement,
    rotation,
)
from app.domain.refusals import Refusal, Refused
from app.services.key_changes import KeyChanges
from app.services.revocations import Revocations
from app.storage.postgres.keys import Decide, KeyStore


@dataclass(frozen=True, slots=True)
class Keys:
    """An operator's view of the signing keys, and changes to them."""

    keys: KeyStore
    maker: KeyMaker
    changes: KeyChanges
    revocations: Revocations
    policy: KeyPolicy

    async def all(self) -> list[tuple[SigningKey, datetime | None]]:
        """Every key, oldest first, and when it next changes automatically."""
        keys, _ = await self.keys.all()
        return [(key, next_step(key, keys, self.policy)) for key in keys]

    async def unopenable(self) -> set[str]:
        """The ids of the signing key and the standby, if no listed secret opens them."""
        keys, _ = await self.keys.all()
        return {key.kid for key in keys if key.state is not KeyState.VERIFYING and not self._opens(key)}

    async def rotate(self, *, at_once: bool) -> str:
        """Let the standby sign, and return its ``kid``; refuses a young one unless ``at_once``."""
        before = in_state((await self.keys.all())[0], KeyState.SIGNING)
        keys, now = await self.changes.advance()
        signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
        if signing is None or standby is None:
            raise Refused(Refusal.KEYS_INCOMPLETE)
        if before is not None and before.kid != signing.kid:
            # The automatic rotation was due.
            return signing.kid
        if now < may_sign_from(standby) and not at_once:
            raise Refused(Refusal.STANDBY_TOO_YOUNG, kid=standby.kid, may_sign_from=may_sign_from(standby))
        change = await self._make(lambda keys, _: rotation(keys, standby.kid))
        if change.activated is None:
            raise Refused(Refusal.KEYS_CHANGED)
        return standby.kid

    async def retire(self, kid: str) -> None:
        """Delete a leaked key from the key set and refuse its tokens; refuses with ``key_unknown``."""
        ttl = self.policy.verifying
        change = await self._make(lambda keys, _: retirement(keys, kid), revoked_for=ttl)
        if kid not in change.deleted:
            raise Refused(Refusal.KEY_UNKNOWN, kid=kid)
        await self.revocations.announce([kid], ttl)

    async def reseal(self) -> int:
        """Seal every private key under the newest secret; returns how many were sealed under another one.

        Refuses with ``key_sealed`` when no listed secret opens a key. A verifying key may stay sealed, since
        its private part is no longer needed.
        """
        resealed = 0
        for key in (await self.keys.all())[0]:
            if key.state is KeyState.VERIFYING and not self.maker.knows(key):
                continue
            try:
                sealed = self.maker.reseal(key)
            except UnopenableKeyError as error:
                raise Refused(Refusal.KEY_SEALED, kid=key.kid) from error
            if sealed is not None and await self.keys.reseal(key.kid, key.sealed_private_key, sealed):
                resealed += 1
        return resealed

    def _opens(self, key: SigningKey) -> bool:
        try:
            self.maker.open(key)
        except UnopenableKeyError:
            return False
        return True

    async def _make(self, decide: Decide, *, revoked_for: timedelta | None = None) -> KeyChange:
        try:
            return await self.changes.make(decide, Actor.OPERATOR, revoked_for=revoked_for)
        except UnopenableKeyError as error:
            raise Refused(Refusal.KEY_SEALED, kid=str(error)) from error
