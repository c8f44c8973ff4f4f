"""The parts of a feature that the service runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.http.front import Socket
from app.http.origins import Origins
from app.http.routing import Routes
from app.wiring.jobs import Job


@dataclass(frozen=True, slots=True)
class Feature:
    """Modules of routes, the records of use cases that they call, jobs, and fields of the metadata.

    ``sockets`` makes what serves the WebSockets at each path, for these origins.
    """

    routes: tuple[Routes[Any], ...]
    cases: tuple[object, ...]
    jobs: tuple[Job, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    sockets: Mapping[str, Callable[[Origins], Socket]] = field(default_factory=dict)
