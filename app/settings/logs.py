"""Settings of the log."""

from typing import Annotated, Literal

from pydantic import Field

from app.settings.environment import EnvironmentSettings


class LogSettings(EnvironmentSettings):
    """How the log is written."""

    log_format: Annotated[
        Literal["json", "console"], Field(description="json for machines, console for people.")
    ] = "json"
