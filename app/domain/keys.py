"""Signing keys and their states: standby (published, not signing yet), signing, verifying, deleted.

There is always a standby, published when its predecessor starts to sign. Every verifier has therefore seen
the successor when a key is rotated or a leaked key is retired.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

MINIMUM_STANDBY = timedelta(hours=1)
"""How long a key is published before it signs: the longest time that common verifiers cache a key set."""
MAX_AGE = 300
"""How many seconds a cache may keep the key set (RFC 9111 section 5.2.2.1)."""


class Algorithm(StrEnum):
    """Supported signature algorithms; a published key set cannot contain a shared secret (RFC 8725 3.1)."""

    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class KeyState(StrEnum):
    """The state of a key."""

    STANDBY = "standby"
    SIGNING = "signing"
    VERIFYING = "verifying"


@dataclass(frozen=True, slots=True)
class KeyKind:
    """The algorithm of a key; ``rsa_bits`` is the length of an RSA modulus, None for other algorithms."""

    algorithm: Algorithm
    rsa_bits: int | None = None


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """The kind of new keys, how long a key signs (None: until an operator rotates), and then verifies."""

    kind: KeyKind
    interval: timedelta | None
    verifying: timedelta


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key pair: the public key as a JWK, the private key sealed."""

    kid: str
    algorithm: Algorithm
    public_jwk: dict[str, str]
    sealed_private_key: bytes = field(repr=False)

    @property
    def kind(self) -> KeyKind:
        """The kind of the key; four base64url characters encode three bytes of the modulus."""
        modulus = self.public_jwk.get("n")
        return KeyKind(self.algorithm, None if modulus is None else len(modulus) * 3 // 4 * 8)


@dataclass(frozen=True, slots=True)
class SigningKey(SealedKey):
    """A key pair with the times of its state changes; it begins as a standby."""

    created_at: datetime
    activated_at: datetime | None = None
    superseded_at: datetime | None = None

    @property
    def state(self) -> KeyState:
        """The state, derived from the two times."""
        if self.activated_at is None:
            return KeyState.STANDBY
        return KeyState.SIGNING if self.superseded_at is None else KeyState.VERIFYING


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of the keys: which are deleted, which standby starts to sign, which states need a new key.

    The previous signing key becomes a verifying one.
    """

    deleted: frozenset[str]
    activated: str | None
    vacant: tuple[KeyState, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.deleted or self.activated or self.vacant)


def in_state(keys: Iterable[SigningKey], state: KeyState) -> SigningKey | None:
    """The first key in this state; at most one key is signing and at most one is standby."""
    return next((key for key in keys if key.state is state), None)


def due_change(keys: Sequence[SigningKey], policy: KeyPolicy, *, now: datetime) -> KeyChange:
    """The automatic change that is due now.

    A standby that is due to sign, but is not of the policy's kind, is replaced. The new standby is published
    for ``MINIMUM_STANDBY`` first, so a change of algorithm is an ordinary rotation.
    """
    signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
    deleted = {key.kid for key in keys if key.superseded_at and now >= key.superseded_at + policy.verifying}
    signs_at = None if standby is None else automatic_rotation_at(standby, signing, policy)
    if standby is None or signs_at is None or now < signs_at:
        return _change(keys, deleted)
    if signing is not None and standby.kind != policy.kind:
        return _change(keys, deleted | {standby.kid})
    return _change(keys, deleted, standby.kid)


def rotation(keys: Sequence[SigningKey], kid: str) -> KeyChange:
    """The change that lets this standby sign now; an empty one when it is no longer the standby."""
    standby = in_state(keys, KeyState.STANDBY)
    return _change(keys, activated=kid if standby is not None and standby.kid == kid else None)


def retirement(keys: Sequence[SigningKey], kid: str) -> KeyChange:
    """The change that deletes this key. If it was signing, the standby takes over, however young it is."""
    signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
    successor = standby if signing is not None and signing.kid == kid else None
    return _change(keys, {key.kid for key in keys} & {kid}, None if successor is None else successor.kid)


def may_sign_from(standby: SigningKey) -> datetime:
    """When every verifier has seen this standby."""
    return standby.created_at + MINIMUM_STANDBY


def automatic_rotation_at(
    standby: SigningKey, signing: SigningKey | None, policy: KeyPolicy
) -> datetime | None:
    """When the standby starts to sign automatically; None when only an operator rotates."""
    if signing is None or signing.activated_at is None:
        return standby.created_at
    if signing.kind != policy.kind:
        return may_sign_from(standby)
    if policy.interval is None:
        return None
    return max(signing.activated_at + policy.interval, may_sign_from(standby))


def next_step(key: SigningKey, keys: Sequence[SigningKey], policy: KeyPolicy) -> datetime | None:
    """When a key changes its state or is deleted automatically; None when only an operator changes it."""
    if key.superseded_at is not None:
        return key.superseded_at + policy.verifying
    signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
    return None if standby is None else automatic_rotation_at(standby, signing, policy)


def _change(
    keys: Iterable[SigningKey], deleted: Iterable[str] = (), activated: str | None = None
) -> KeyChange:
    """The change, with the states that it leaves vacant: there must always be a signing key and a standby."""
    deleted_kids = frozenset(deleted)
    others = [key for key in keys if key.kid not in deleted_kids and key.kid != activated]
    filled = {
        KeyState.SIGNING: activated is not None or in_state(others, KeyState.SIGNING) is not None,
        KeyState.STANDBY: in_state(others, KeyState.STANDBY) is not None,
    }
    return KeyChange(
        deleted_kids, activated, tuple(state for state, is_filled in filled.items() if not is_filled)
    )
