"""Settings of the log."""

from typing import Annotated, Literal

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import Switch


class LogSettings(EnvironmentSettings):
    """How the log is written."""

    log_format: Annotated[
        Literal["json", "console"], Field(description="json for machines, console for people.")
    ] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="The least important lines that are logged; each request is an info."),
    ] = "info"
    log_probes: Annotated[
        Switch, Field(description="Whether successful requests of /livez and /readyz are logged: on or off.")
    ] = False
