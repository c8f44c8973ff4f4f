"""Settings of the server: where it listens, and how connections begin and end."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import HOUR, MINUTE, SECOND, Between, Duration

_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Listen:
    """An address or a name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(value: object) -> object:
    """Read ``host:port``; an IPv6 address stands in brackets."""
    if not isinstance(value, str):
        return value
    read = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", value)
    if read is None or not 0 < int(read[3]) <= _LAST_PORT:
        raise ValueError("must be like 127.0.0.1:8000, 0.0.0.0:8000 or [::]:8000")
    return Listen(read[1] or read[2], int(read[3]))


class ServerSettings(EnvironmentSettings):
    """Where the server listens, how long it keeps connections, and how many.

    No name may be one that Kubernetes sets for a Service called ``auth``: AUTH_PORT, AUTH_SERVICE_HOST.
    """

    listen: Annotated[
        Listen,
        BeforeValidator(_listen),
        Field(description="Address and port that serve listens on; --host and --port win."),
    ] = Listen("127.0.0.1", 8000)
    keep_alive: Annotated[
        Duration,
        Between(SECOND, HOUR),
        Field(description="How long an idle connection is kept; longer than the proxy in front keeps it."),
    ] = timedelta(seconds=75)
    drain: Annotated[
        Duration,
        Between(timedelta(), 5 * MINUTE),
        Field(description="How long after SIGTERM requests are still taken, while /readyz says 503."),
    ] = timedelta()
    connections: Annotated[
        int, Field(ge=16, le=100_000, description="Connections that one process keeps open at a time.")
    ] = 4_000
    connections_per_address: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="The same from one IPv4 address or IPv6 /64; trusted proxies are exempt.",
        ),
    ] = 500
