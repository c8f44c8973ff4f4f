"""Health: ``GET /livez`` and ``GET /readyz``."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from app.http import answers
from app.http.answers import Liveness, Part, private
from app.http.routing import Answer, Call, Routes
from app.services.health import Readiness


@dataclass(frozen=True, slots=True)
class HealthCases:
    """The use cases of these routes."""

    readiness: Readiness


PROBES = frozenset({"/livez", "/readyz"})
"""The paths that orchestrators ask every few seconds."""
route = Routes(HealthCases, "health", "Probes for orchestrators and load balancers.")


@route.get("/livez", Answer("The process answers.", Liveness))
async def livez(_: Call[HealthCases, None]) -> Response:
    """Tell whether the process answers."""
    return private(Liveness("alive"))


@route.get(
    "/readyz",
    Answer("Ready.", answers.Readiness),
    Answer("Not ready.", answers.Readiness, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def readyz(call: Call[HealthCases, None]) -> Response:
    """Tell whether requests should be sent here: Postgres, the keys and the clock decide.

    A process that is about to end serves on for a while and is not ready: it is draining.
    """
    health = await call.cases.readiness()
    parts = tuple(map(_part, health))
    if call.request.is_draining:
        return private(answers.Readiness("draining", *parts), 503)
    if health.is_ready:
        return private(answers.Readiness("ready", *parts))
    return private(answers.Readiness("not ready", *parts), 503)


def _part(works: bool) -> Part:  # noqa: FBT001 - the state of one part
    return "ok" if works else "failing"
