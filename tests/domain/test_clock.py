"""Times as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.domain.clock import timestamp

ELSEWHERE = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 31, 12, 0, 0, 123456, UTC), "2026-01-31T12:00:00.123456Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 120000, UTC), "2026-01-31T12:00:00.120000Z"),
        (datetime(2026, 1, 31, 12, 0, tzinfo=UTC), "2026-01-31T12:00:00.000000Z"),
        (datetime(2026, 1, 31, 1, 0, tzinfo=ELSEWHERE), "2026-01-30T19:30:00.000000Z"),
    ],
)
def test_a_time_has_one_form_whatever_its_fraction_and_its_zone(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text
    assert datetime.fromisoformat(text) == moment
