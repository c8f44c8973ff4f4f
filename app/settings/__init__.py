"""Settings: the environment, read once into frozen values that are safe to run with.

Each file holds the settings of one noun. ``Settings`` inherits them all, so names stay flat (``AUTH_...``).
"""

from app.settings.activity import ActivitySettings
from app.settings.database import DatabaseSettings, PoolSettings
from app.settings.environment import PREFIX, SettingsError, load, read_again
from app.settings.events import EventSettings
from app.settings.keys import KeySettings
from app.settings.logs import LogSettings
from app.settings.passwords import PasswordSettings
from app.settings.redis import RedisSettings
from app.settings.secrets import SecretSettings
from app.settings.server import ServerSettings
from app.settings.throttling import ThrottlingSettings

__all__ = ["PREFIX", "DatabaseSettings", "RedisSettings", "Settings", "SettingsError", "load", "read_again"]


class Settings(
    ActivitySettings,
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
