"""Settings: the environment, read once into frozen values that are safe to run with.

Each file holds the settings of one noun. ``Settings`` inherits them all, so names stay flat (``AUTH_...``).
"""

import os

from app.settings.activity import ActivitySettings
from app.settings.clients import ClientSettings
from app.settings.database import DatabaseSettings, PoolSettings
from app.settings.environment import PREFIX, SettingsError, file_of, load, read_again, variable
from app.settings.events import EventSettings
from app.settings.feed import FeedSettings
from app.settings.keys import KeySettings
from app.settings.logs import LogSettings
from app.settings.names import misspelt
from app.settings.passwords import PasswordSettings
from app.settings.redis import RedisSettings
from app.settings.secrets import SecretSettings
from app.settings.server import ServerSettings
from app.settings.throttling import ThrottlingSettings

__all__ = [
    "PREFIX",
    "DatabaseSettings",
    "RedisSettings",
    "Settings",
    "SettingsError",
    "file_of",
    "load",
    "misspelt_settings",
    "read_again",
    "variable",
]


class Settings(
    ActivitySettings,
    ClientSettings,
    FeedSettings,
    LogSettings,
    ServerSettings,
    EventSettings,
    PasswordSettings,
    ThrottlingSettings,
    KeySettings,
    SecretSettings,
    RedisSettings,
    PoolSettings,
):
    """Everything that the service reads; pydantic reads the last group first."""


def misspelt_settings() -> dict[str, str | None]:
    """The variables of the environment that look like settings and do nothing, each with a likely setting."""
    return misspelt(os.environ, PREFIX, [PREFIX + field.upper() for field in Settings.model_fields])
