"""Findings about /livez and /readyz."""

import httpx2
import pytest

from app.cli.doctor.client import NoAnswer
from app.cli.doctor.health import check_health


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (200, {"status": "ready", "postgres": "ok", "keys": "ok", "redis": "ok"}, "ok /readyz: ready, and"),
        (
            200,
            {"status": "ready", "redis": "failing"},
            "warning /readyz: ready, but failing: redis. Postgres",
        ),
        (
            200,
            {"status": "ready", "log": "failing"},
            "warning /readyz: ready, but failing: log. Lines of the",
        ),
        (200, {"status": "ready", "later": "failing"}, "warning /readyz: ready, but failing: later."),
        (503, {"status": "not ready", "keys": "failing"}, "problem /readyz: not ready, failing: keys."),
        (503, {"status": "draining"}, "warning /readyz: the process that answered is about to end."),
        (200, ["ready"], "problem /readyz is not answered by the service (200, application/json)"),
    ],
)
def test_readiness_is_reported_as_the_service_reports_it(status: int, body: object, text: str) -> None:
    alive = httpx2.Response(200, json={"status": "alive"})
    _, ready = check_health(alive, httpx2.Response(status, json=body))
    assert f"{ready.level} {ready.text}".startswith(text)


def test_health_without_an_answer_is_a_problem_with_its_reason() -> None:
    silent = NoAnswer("no answer within 15 seconds")
    findings = list(check_health(silent, silent))
    assert [finding.level for finding in findings] == ["problem", "problem"]
    assert all(silent.reason in finding.text for finding in findings)
