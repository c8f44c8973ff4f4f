"""What a route demands beyond a valid token: roles, scopes, a recent sign-in."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self, TypeAlias

from watchword_verifier.errors import Forbidden, StepUpRequired
from watchword_verifier.identity import Identity

Age: TypeAlias = str | int | timedelta
"""``"30s"``, ``"5m"``, ``"2h"``, ``"1d"``, seconds, or a ``timedelta``."""
_AGE = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Demands:
    """All of them have to be met. Made once for a route, not for a request."""

    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    max_age: int | None = None
    """Seconds since the sign-in."""

    def adding(
        self, *, roles: tuple[str, ...] = (), scopes: tuple[str, ...] = (), fresh: Age | None = None
    ) -> Self:
        """These demands and more.

        Raises:
            ValueError: ``fresh`` is no age.
        """
        max_age = self.max_age if fresh is None else seconds_of(fresh)
        return replace(self, roles=self.roles + roles, scopes=self.scopes + scopes, max_age=max_age)

    def check(self, identity: Identity, *, now: float) -> None:
        """Return when the identity meets all demands. ``now`` is in seconds since 1970.

        Raises:
            Forbidden: A role or a scope is missing. It goes first: to sign in again would not help.
            StepUpRequired: The user signed in too long ago, or it is not known when.
        """
        if not set(self.scopes) <= set(identity.scopes):
            raise Forbidden(self.scopes)
        if not set(self.roles) <= set(identity.roles):
            raise Forbidden
        if self.max_age is not None:
            signed_in_at = identity.authenticated_at
            if signed_in_at is None or now - signed_in_at > self.max_age:
                raise StepUpRequired(self.max_age)


def seconds_of(age: Age) -> int:
    """An age in whole seconds.

    Raises:
        ValueError: It is not positive, or not understood.
    """
    if isinstance(age, str):
        parts = _AGE.fullmatch(age)
        seconds = int(parts[1]) * _SECONDS[parts[2]] if parts else 0
    else:
        seconds = int(age.total_seconds() if isinstance(age, timedelta) else age)
    if seconds <= 0:
        raise ValueError(f'{age!r} is no age; write one like "5m"')
    return seconds
