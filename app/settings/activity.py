"""Settings of the feature ``activity``."""

from typing import Annotated

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import Switch


class ActivitySettings(EnvironmentSettings):
    """Whether owners of accounts see their recent activity."""

    activity: Annotated[
        Switch,
        Field(description="Whether GET /me/activity shows the account's own security events: on or off."),
    ] = True
