"""Findings about the lifetimes of tokens and sessions."""

from datetime import timedelta

import pytest

from app.cli.doctor.lifetimes import check_lifetimes
from tests.support.findings import texts, worst

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("access", "idle", "grace", "level", "text"),
    [
        (15 * MINUTE, 7 * DAY, 10, "ok", "An access token lives 15 minutes"),
        (HOUR, 7 * DAY, 10, "note", "lives 1 hour. After a logout"),
        (15 * MINUTE, 31 * DAY, 10, "warning", "never idle for 31 days"),
        (15 * MINUTE, 5 * MINUTE, 10, "note", "it lives 5 minutes (AUTH_SESSION_IDLE_TTL)"),
        (15 * MINUTE, 7 * DAY, 0, "note", "AUTH_REFRESH_GRACE is 0, which is strict"),
    ],
)
def test_lifetimes_are_in_order_if_ended_sessions_are_soon_refused(
    access: timedelta, idle: timedelta, grace: int, level: str, text: str
) -> None:
    findings = list(check_lifetimes(access, idle, 30 * DAY, timedelta(seconds=grace), status_lists=True))
    assert worst(findings) == level
    assert any(text in found for found in texts(findings, level)), findings


@pytest.mark.parametrize(
    ("on", "level", "text"), [(True, "ok", "within 11 seconds"), (False, "note", "is off")]
)
def test_status_lists_are_what_tells_other_services_of_an_end(*, on: bool, level: str, text: str) -> None:
    grace = timedelta(seconds=10)
    findings = list(check_lifetimes(15 * MINUTE, 7 * DAY, 30 * DAY, grace, status_lists=on))
    assert worst(findings) == level
    assert any(text in found for found in texts(findings, level)), findings
