"""Signing keys: standby (published, not signing yet), signing, and verifying what they signed before."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


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
class SealedKey:
    """A key pair as Postgres keeps it: the public part as a JWK, the private part sealed."""

    kid: str
    algorithm: Algorithm
    public_jwk: dict[str, str]
    sealed_private_key: bytes = field(repr=False)
    created_at: datetime
    activated_at: datetime | None = None
    superseded_at: datetime | None = None

    @property
    def state(self) -> KeyState:
        """The state, which the two moments tell."""
        if self.activated_at is None:
            return KeyState.STANDBY
        return KeyState.SIGNING if self.superseded_at is None else KeyState.VERIFYING


def vacancies(keys: Iterable[SealedKey]) -> tuple[KeyState, ...]:
    """What the key set lacks: an empty database gets a signing key and a standby at once."""
    present = {key.state for key in keys}
    return tuple(state for state in (KeyState.SIGNING, KeyState.STANDBY) if state not in present)
