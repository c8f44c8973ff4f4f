"""Signing keys and their life: standby (published, not signing yet), signing, verifying what it signed, gone.

There is always a standby, published when its predecessor starts to sign, so that neither a rotation nor the
end of a leaked key meets a verifier that has not seen the successor.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

STANDS_BY_AT_LEAST = timedelta(hours=1)
"""How long a key is published before it signs: the longest that common verifiers cache a key set."""
MAX_AGE = 300
"""Seconds that a cache may keep the key set (RFC 9111 section 5.2.2.1)."""


class Algorithm(StrEnum):
    """Signature algorithms on offer; a published key set cannot hold a shared secret (RFC 8725 3.1)."""

    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


class KeyState(StrEnum):
    """Where a key stands in its life."""

    STANDBY = "standby"
    SIGNING = "signing"
    VERIFYING = "verifying"


@dataclass(frozen=True, slots=True)
class KeyKind:
    """What a key is made as; ``rsa_bits`` is the length of an RSA modulus, and None for other algorithms."""

    algorithm: Algorithm
    rsa_bits: int | None = None


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """What keys are made as, for how long one signs (None: until it is told), and verifies after that."""

    kind: KeyKind
    interval: timedelta | None
    verifying: timedelta


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key pair: the public part as a JWK, the private part sealed."""

    kid: str
    algorithm: Algorithm
    public_jwk: dict[str, str]
    sealed_private_key: bytes = field(repr=False)

    @property
    def kind(self) -> KeyKind:
        """What it was made as; four letters of base64url hold three bytes of the modulus."""
        modulus = self.public_jwk.get("n")
        return KeyKind(self.algorithm, None if modulus is None else len(modulus) * 3 // 4 * 8)


@dataclass(frozen=True, slots=True)
class SigningKey(SealedKey):
    """A key pair in its life, which begins as a standby."""

    created_at: datetime
    activated_at: datetime | None = None
    superseded_at: datetime | None = None

    @property
    def state(self) -> KeyState:
        """The state, which the two moments tell."""
        if self.activated_at is None:
            return KeyState.STANDBY
        return KeyState.SIGNING if self.superseded_at is None else KeyState.VERIFYING


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A step in the life of the keys: which go, which standby starts to sign, and which places are then free.

    Whoever signed before verifies from then on.
    """

    deleted: frozenset[str]
    activated: str | None
    vacant: tuple[KeyState, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.deleted or self.activated or self.vacant)


def in_state(keys: Iterable[SigningKey], state: KeyState) -> SigningKey | None:
    """The key that stands by, or the one that signs; there is at most one of each."""
    return next((key for key in keys if key.state is state), None)


def due(keys: Sequence[SigningKey], policy: KeyPolicy, *, now: datetime) -> KeyChange:
    """What is to be done by itself at this moment.

    A standby of another kind than the policy's is replaced when it would sign, and its successor has an hour
    of its own: a change of algorithm is an ordinary rotation.
    """
    signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
    deleted = {key.kid for key in keys if key.superseded_at and now >= key.superseded_at + policy.verifying}
    begins = None if standby is None else begins_to_sign_at(standby, signing, policy)
    if standby is None or begins is None or now < begins:
        return _change(keys, deleted)
    if signing is not None and standby.kind != policy.kind:
        return _change(keys, deleted | {standby.kid})
    return _change(keys, deleted, standby.kid)


def rotation(keys: Sequence[SigningKey], kid: str) -> KeyChange:
    """What lets this standby sign now; nothing when it is the standby no more."""
    standby = in_state(keys, KeyState.STANDBY)
    return _change(keys, activated=kid if standby is not None and standby.kid == kid else None)


def retirement(keys: Sequence[SigningKey], kid: str) -> KeyChange:
    """What ends this key; if it was signing, the standby signs from now on, however young."""
    signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
    heir = standby if signing is not None and signing.kid == kid else None
    return _change(keys, {key.kid for key in keys} & {kid}, None if heir is None else heir.kid)


def may_sign_from(standby: SigningKey) -> datetime:
    """When every verifier has seen this key."""
    return standby.created_at + STANDS_BY_AT_LEAST


def begins_to_sign_at(standby: SigningKey, signing: SigningKey | None, policy: KeyPolicy) -> datetime | None:
    """When the standby takes over by itself; None when it waits for an operator."""
    if signing is None or signing.activated_at is None:
        return standby.created_at
    if signing.kind != policy.kind:
        return may_sign_from(standby)
    if policy.interval is None:
        return None
    return max(signing.activated_at + policy.interval, may_sign_from(standby))


def next_step(key: SigningKey, keys: Sequence[SigningKey], policy: KeyPolicy) -> datetime | None:
    """When a key enters its next state, or goes, by itself; None when it waits for an operator."""
    if key.superseded_at is not None:
        return key.superseded_at + policy.verifying
    signing, standby = in_state(keys, KeyState.SIGNING), in_state(keys, KeyState.STANDBY)
    return None if standby is None else begins_to_sign_at(standby, signing, policy)


def _change(
    keys: Iterable[SigningKey], deleted: Iterable[str] = (), activated: str | None = None
) -> KeyChange:
    """The change, with the places that it leaves free: a signing key and a standby there must always be."""
    gone = frozenset(deleted)
    staying = [key for key in keys if key.kid not in gone and key.kid != activated]
    filled = {
        KeyState.SIGNING: activated is not None or in_state(staying, KeyState.SIGNING) is not None,
        KeyState.STANDBY: in_state(staying, KeyState.STANDBY) is not None,
    }
    return KeyChange(gone, activated, tuple(state for state, is_filled in filled.items() if not is_filled))
