"""Settings of Postgres."""

from typing import Annotated, Literal

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import MINUTE, SECOND, Between, Duration, starting

_POOLER: dict[str, bool | None] = {"auto": None, "on": True, "off": False}


class DatabaseSettings(EnvironmentSettings):
    """Where Postgres is; all that a migration reads."""

    database_url: Annotated[
        str,
        starting("postgresql", "postgres", "postgresql+asyncpg"),
        Field(repr=False, description="URL of the Postgres database that holds the accounts."),
    ]
    database_pooler: Annotated[
        Literal["auto", "on", "off"],
        Field(description="Whether a pooler such as PgBouncer is in front of Postgres; auto finds it out."),
    ] = "auto"
    startup_timeout: Annotated[
        Duration,
        Between(0 * SECOND, 10 * MINUTE),
        Field(description="How long serve and migrate wait for Postgres before they give up."),
    ] = 30 * SECOND

    @property
    def through_pooler(self) -> bool | None:
        """Whether connections go through a pooler; None when that is to be found out."""
        return _POOLER[self.database_pooler]


class PoolSettings(DatabaseSettings):
    """How the service connects to Postgres."""

    database_pool_size: Annotated[
        int, Field(ge=1, le=200, description="Connections to Postgres per process.")
    ] = 10
