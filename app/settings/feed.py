"""Settings of the feature ``feed``."""

from typing import Annotated

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import Switch


class FeedSettings(EnvironmentSettings):
    """Who is told of revocations as they happen."""

    feed: Annotated[
        Switch,
        Field(
            description="Whether GET /revocations tells service clients of revocations as they happen: "
            "on or off."
        ),
    ] = True
    events: Annotated[
        Switch,
        Field(description="Whether a WebSocket at /events tells clients when their session ends: on or off."),
    ] = True
