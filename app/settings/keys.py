"""Settings of the signing keys."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from app.domain.keys import MAX_AGE, Algorithm, KeyKind, KeyPolicy
from app.settings.access_tokens import AccessTokenSettings
from app.settings.values import DAY, HOUR, Between, Duration, asymmetric, off


class KeySettings(AccessTokenSettings):
    """Which signing keys are made, and when they rotate."""

    signing_algorithm: Annotated[
        Algorithm,
        BeforeValidator(asymmetric),
        Field(description="Algorithm of new signing keys. After a change, a new key signs an hour later."),
    ] = Algorithm.RS256
    signing_rsa_bits: Annotated[
        Literal[2048, 3072, 4096],
        BeforeValidator(int),
        Field(description="Bits of new RSA keys; a change takes effect like a change of the algorithm."),
    ] = 2048
    key_rotation_interval: Annotated[
        Duration | None,
        BeforeValidator(off),
        Between(HOUR, 400 * DAY),
        Field(description="How long a key signs before the standby key takes over, or off."),
    ] = 30 * DAY

    def key_policy(self, *, longest_view: timedelta) -> KeyPolicy:
        """What keys are made, when they rotate, and how long a replaced key is still published.

        A replica may sign with a view of the keys that is ``longest_view`` old, and its token then lives on.
        Verifiers keep a key set for ``MAX_AGE`` seconds.
        """
        bits = self.signing_rsa_bits if self.signing_algorithm is Algorithm.RS256 else None
        return KeyPolicy(
            kind=KeyKind(self.signing_algorithm, bits),
            interval=self.key_rotation_interval,
            verifying=longest_view + self.access_token_ttl + self.leeway + timedelta(seconds=MAX_AGE),
        )
