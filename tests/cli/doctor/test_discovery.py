"""Findings about the metadata of the issuer."""

import httpx2

from app.cli.doctor.client import NoAnswer
from app.cli.doctor.discovery import check_metadata


def test_metadata_without_an_answer_is_a_problem_with_its_reason() -> None:
    (finding,) = check_metadata(NoAnswer("no answer within 15 seconds"), "https://auth.example.com", None)
    assert finding.level == "problem"
    assert "no answer within 15 seconds" in finding.text


def test_the_issuer_is_compared_with_the_address_as_it_was_typed() -> None:
    plain, slashed = "https://auth.example.com", "https://auth.example.com/"
    for issuer in (plain, slashed):
        document = {"issuer": issuer, "jwks_uri": f"{plain}/.well-known/jwks.json"}
        answer = httpx2.Response(200, json=document)
        for typed in (plain, slashed):
            # A slash at the end is often typed out of habit. One that is left out is missed by verifiers.
            expected = "problem" if (issuer, typed) == (slashed, plain) else "ok"
            assert [finding.level for finding in check_metadata(answer, typed, None)] == [expected]
