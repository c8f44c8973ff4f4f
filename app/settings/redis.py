"""Settings of Redis."""

from typing import Annotated

from pydantic import Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import starting

_SCHEMES = ["unix", *(tls + to for tls in ("redis", "rediss") for to in ("", "+sentinel", "+cluster"))]


class RedisSettings(EnvironmentSettings):
    """Where Redis is."""

    redis_url: Annotated[
        str,
        starting(*_SCHEMES),
        Field(
            repr=False,
            description="URL of the Redis or Valkey that indexes revoked tokens and counts failures.",
        ),
    ]
