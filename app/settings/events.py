"""Settings of security events."""

from typing import Annotated

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import DAY, Between, Duration


class EventSettings(EnvironmentSettings):
    """How long security events are kept."""

    event_retention: Annotated[
        Duration,
        Between(DAY, 3660 * DAY),
        Field(description="How long security events are kept."),
    ] = 365 * DAY
