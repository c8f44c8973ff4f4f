"""The causes of ``unavailable`` in the log."""

import structlog

from app.domain.refusals import Unavailable
from app.services.outages import EVERY, MOST_CAUSES, OutageLog
from app.storage.postgres.outages import Misconfigured
from tests.support.servers import ROOT


class Stopwatch:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_cause_is_logged_once_a_second_however_often_it_is_met() -> None:
    clock = Stopwatch()
    log = OutageLog(clock)
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            for reason in ("connection refused", "too many clients"):
                log(Unavailable(reason))
            clock.now += EVERY / 4
        clock.now += EVERY
        log(Unavailable("connection refused"))
    assert [line["reason"] for line in lines] == [
        "connection refused",
        "too many clients",
        "connection refused",
    ]
    assert {(line["event"], line["log_level"]) for line in lines} == {("service.unavailable", "warning")}


def test_a_configuration_that_is_wrong_is_logged_with_what_mends_it() -> None:
    with structlog.testing.capture_logs() as lines:
        OutageLog(Stopwatch())(Misconfigured("column x does not exist", "run: python -m app migrate"))
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("postgres.misconfigured", "error")
    assert (line["reason"], line["mend"]) == ("column x does not exist", "run: python -m app migrate")


def test_causes_without_end_take_no_memory_without_end() -> None:
    log = OutageLog(Stopwatch())
    with structlog.testing.capture_logs() as lines:
        for number in range(3 * MOST_CAUSES):
            log(Unavailable(f"cause {number}"))
    assert len(lines) == 3 * MOST_CAUSES
    assert len(log._due) <= MOST_CAUSES  # noqa: SLF001 - memory cannot be seen from outside


def test_every_unavailable_names_its_reason() -> None:
    """A refusal of another class would leave nothing in the log."""
    places = [
        path.name
        for path in (ROOT / "app").rglob("*.py")
        if "Refused(Refusal.UNAVAILABLE" in path.read_text()
    ]
    assert places == []
