"""Settings of sessions and refresh tokens."""

from typing import Annotated

from pydantic import Field

from app.domain.sessions import MOST_SESSIONS, ReuseRevokes, SessionPolicy
from app.settings.environment import EnvironmentSettings
from app.settings.values import DAY, MINUTE, SECOND, Between, Duration


class SessionSettings(EnvironmentSettings):
    """How long sessions live, how many there are, and what a reused refresh token ends."""

    session_ttl: Annotated[
        Duration,
        Between(MINUTE, 400 * DAY),
        Field(description="How long a session lives at most."),
    ] = 30 * DAY
    session_idle_ttl: Annotated[
        Duration,
        Between(MINUTE, 400 * DAY),
        Field(description="How long a session lives without a refresh."),
    ] = 7 * DAY
    refresh_grace: Annotated[
        Duration,
        Between(0 * SECOND, MINUTE),
        Field(
            description="How long a replaced refresh token counts as a retry and not as theft; 0 is strict."
        ),
    ] = 10 * SECOND
    reuse_revokes: Annotated[
        ReuseRevokes,
        Field(
            description="What ends when a refresh token is reused: session, or account (all its sessions)."
        ),
    ] = ReuseRevokes.SESSION

    sessions_per_account: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_SESSIONS,
            description="How many sessions an account has; a further sign-in ends the one unused longest.",
        ),
    ] = 100

    def session_policy(self) -> SessionPolicy:
        """How long sessions live, and what a reused refresh token ends."""
        return SessionPolicy(
            absolute=self.session_ttl,
            idle=self.session_idle_ttl,
            grace=self.refresh_grace,
            reuse_revokes=self.reuse_revokes,
            per_account=self.sessions_per_account,
        )
