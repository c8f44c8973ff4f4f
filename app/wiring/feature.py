"""The parts of a feature that the service runs."""

from dataclasses import dataclass

from app.http.application import Router
from app.wiring.jobs import Job


@dataclass(frozen=True, slots=True)
class Feature:
    """Routes, the records of use cases that they call, and jobs."""

    routers: tuple[Router, ...]
    cases: tuple[object, ...]
    jobs: tuple[Job, ...] = ()
