"""Settings of the feature ``clients``."""

from typing import Annotated

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import Switch


class ClientSettings(EnvironmentSettings):
    """Whether other services are clients of this one."""

    clients: Annotated[
        Switch,
        Field(
            description="Whether service clients may use POST /token, POST /introspect and POST /revoke: "
            "on or off."
        ),
    ] = True
