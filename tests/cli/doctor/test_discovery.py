"""Findings about the metadata of the issuer."""

from app.cli.doctor.client import NoAnswer
from app.cli.doctor.discovery import check_metadata


def test_metadata_without_an_answer_is_a_problem_with_its_reason() -> None:
    (finding,) = check_metadata(NoAnswer("no answer within 15 seconds"), "https://auth.example.com", None)
    assert finding.level == "problem"
    assert "no answer within 15 seconds" in finding.text
