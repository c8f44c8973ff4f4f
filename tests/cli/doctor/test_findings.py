"""How findings are written."""

from datetime import timedelta

from app.cli.doctor.findings import duration, format_findings, note, ok, problem

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_a_duration_is_written_in_the_largest_unit_that_divides_it() -> None:
    lengths = [timedelta(), timedelta(seconds=90), MINUTE, 36 * HOUR, DAY, 30 * DAY]
    written = ["0 seconds", "90 seconds", "1 minute", "36 hours", "1 day", "30 days"]
    assert [duration(length) for length in lengths] == written


def test_findings_are_printed_under_their_subjects_with_their_number_at_the_end() -> None:
    findings = [ok("one", "It is well."), problem("one", " ".join(["word"] * 20)), note("two", "Look at it.")]
    assert format_findings(findings).splitlines() == [
        "one",
        "  ok       It is well.",
        f"  problem  {' '.join(['word'] * 18)}",
        f"           {' '.join(['word'] * 2)}",
        "two",
        "  note     Look at it.",
        "",
        "1 problem, 0 warnings, 1 note",
    ]
