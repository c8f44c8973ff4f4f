"""Findings about the cookies in browsers."""

from datetime import timedelta

import pytest

from app.cli.doctor.client import NoAnswer
from app.cli.doctor.cookies import check_logout, check_storage

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("issuer", "level", "text"),
    [
        (
            "https://auth.example.com",
            "ok",
            "__Host-refresh_token and __Host-device, because they are set over https",
        ),
        ("http://localhost:8000", "note", "Safari does not"),
        ("http://127.0.0.1:8000", "warning", "Use http://localhost, or https."),
    ],
)
def test_cookies_are_in_order_if_every_browser_keeps_them(issuer: str, level: str, text: str) -> None:
    first, second = check_storage(issuer, 30 * DAY)
    assert (first.level, first.subject) == (level, "cookies")
    assert text in first.text
    assert "for 30 days (AUTH_SESSION_TTL). Browsers keep a cookie for at most 400 days" in second.text


def test_a_logout_without_an_answer_is_a_problem_with_its_reason() -> None:
    (finding,) = check_logout(NoAnswer("no answer within 15 seconds"))
    assert finding.level == "problem"
    assert "no answer within 15 seconds" in finding.text
