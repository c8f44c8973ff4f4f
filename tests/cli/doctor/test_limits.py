"""Findings about AUTH_LOGIN_LIMIT_ACCOUNT."""

from datetime import timedelta

from app.cli.doctor.limits import check_limits
from app.domain.throttling import Limit
from tests.support.findings import texts

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_limits_are_in_order_if_few_passwords_can_be_guessed() -> None:
    usual = (Limit(10, MINUTE), Limit(100, DAY))
    assert texts(check_limits(usual), "ok") == [
        "Wrong passwords for one account are limited to 10 in 1 minute, 100 in 1 day."
    ]
    (loose,) = texts(check_limits([Limit(101, MINUTE), Limit(1000, DAY)]), "warning")
    assert "NIST SP 800-63B-4 allows at most 100 consecutive failures" in loose
    (patient,) = texts(check_limits([Limit(10, MINUTE)]), "note")
    assert "14,400 guesses a day" in patient
