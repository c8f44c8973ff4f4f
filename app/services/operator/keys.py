"""The operator's commands on signing keys."""

from datetime import datetime, timedelta

from app.crypto.keys import KeyMaker, UnopenableKeyError
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
from app.services.key_changes import MEND, KeyChanges
from app.services.revocations import Revocations
from app.storage.postgres.keys import Decide, KeyStore


class KeyOperationError(Exception):
    """Why an operator's command was refused, in one line."""


class Keys:
    """The operator's hand on the signing keys."""

    def __init__(
        self,
        store: KeyStore,
        maker: KeyMaker,
        changes: KeyChanges,
        revocations: Revocations,
        policy: KeyPolicy,
    ) -> None:
        self._store = store
        self._maker = maker
        self._changes = changes
        self._revocations = revocations
        self._policy = policy

    async def all(self) -> list[tuple[SigningKey, datetime | None]]:
        """Every key, the oldest first, and when its next step comes by itself."""
        keys, _ = await self._store.all()
        return [(key, next_step(key, keys, self._policy)) for key in keys]

    async def unopenable(self) -> set[str]:
        """Which of the keys that sign, or are to, no listed secret opens."""
        keys, _ = await self._store.all()
        return {key.kid for key in keys if key.state is not KeyState.VERIFYING and not self._opens(key)}

    async def rotate(self, *, at_once: bool) -> str:
        """Let the standby sign, and answer its ``kid``; KeyOperationError while it is too young.

        ``at_once`` takes it as young as it is.
        """
        before = in_state((await self._store.all())[0], KeyState.SIGNING)
        keys, now = await self._changes.advance()
        signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
        if signing is None or standby is None:
            raise KeyOperationError(f"the keys are not complete, and cannot be completed: {MEND}")
        if before is not None and before.kid != signing.kid:
            return signing.kid
        if now < may_sign_from(standby) and not at_once:
            raise KeyOperationError(
                f"the standby {standby.kid} may sign from {may_sign_from(standby):%Y-%m-%dT%H:%M:%SZ}, when "
                "every verifier has seen it; --now rotates all the same"
            )
        change = await self._make(lambda keys, _: rotation(keys, standby.kid))
        if change.activated is None:
            raise KeyOperationError("another change came first; look at: keys list")
        return standby.kid

    async def retire(self, kid: str) -> None:
        """End a leaked key: out of the key set, and no token of it believed; KeyOperationError if unknown."""
        lasts = self._policy.verifying
        change = await self._make(lambda keys, _: retirement(keys, kid), blacklisted_for=lasts)
        if kid not in change.deleted:
            raise KeyOperationError(f"no key is called {kid!r}; look at: keys list")
        await self._revocations.announce([kid], lasts)

    async def reseal(self) -> int:
        """Seal every private key under the newest secret; answers how many were not.

        KeyOperationError when one is sealed under a secret that is not listed; a key that signs no more needs
        its private part no more.
        """
        resealed = 0
        for key in (await self._store.all())[0]:
            if key.state is KeyState.VERIFYING and not self._maker.knows(key):
                continue
            try:
                sealed = self._maker.reseal(key)
            except UnopenableKeyError as error:
                raise _unopenable(error) from None
            if sealed is not None and await self._store.reseal(key.kid, key.sealed_private_key, sealed):
                resealed += 1
        return resealed

    def _opens(self, key: SigningKey) -> bool:
        try:
            self._maker.open(key)
        except UnopenableKeyError:
            return False
        return True

    async def _make(self, decide: Decide, *, blacklisted_for: timedelta | None = None) -> KeyChange:
        try:
            return await self._changes.make(decide, blacklisted_for=blacklisted_for, by="operator")
        except UnopenableKeyError as error:
            raise _unopenable(error) from None


def _unopenable(error: UnopenableKeyError) -> KeyOperationError:
    return KeyOperationError(
        f"no secret in AUTH_SECRET_KEYS opens the key {error}; list the one that sealed it"
    )
