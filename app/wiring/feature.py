"""The parts of a feature that the service runs."""

from dataclasses import dataclass
from typing import Any

from app.http.routing import Routes
from app.wiring.jobs import Job


@dataclass(frozen=True, slots=True)
class Feature:
    """Modules of routes, the records of use cases that they call, and jobs."""

    routes: tuple[Routes[Any], ...]
    cases: tuple[object, ...]
    jobs: tuple[Job, ...] = ()
