"""Settings of Postgres."""

from typing import Annotated

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import MINUTE, SECOND, Between, Duration, starting


class DatabaseSettings(EnvironmentSettings):
    """Where Postgres is; all that a migration reads."""

    database_url: Annotated[
        str,
        starting("postgresql", "postgres", "postgresql+asyncpg"),
        Field(repr=False, description="URL of the Postgres database that holds the accounts."),
    ]
    startup_timeout: Annotated[
        Duration,
        Between(0 * SECOND, 10 * MINUTE),
        Field(description="How long serve and migrate wait for Postgres before they give up."),
    ] = 30 * SECOND


class PoolSettings(DatabaseSettings):
    """How the service connects to Postgres."""

    database_pool_size: Annotated[
        int, Field(ge=1, le=200, description="Connections to Postgres per process.")
    ] = 10
