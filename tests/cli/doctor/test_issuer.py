"""Findings about AUTH_ISSUER and AUTH_AUDIENCE."""

import pytest

from app.cli.doctor.issuer import check_issuer
from tests.support.findings import texts, worst

HOME = "https://auth.example.com"


@pytest.mark.parametrize(
    ("issuer", "audience", "level", "text"),
    [
        (HOME, HOME, "ok", "Verifiers compare it character by character"),
        (HOME, "https://api.example.com", "ok", "'https://api.example.com', as one string"),
        (HOME, "one,two", "warning", "'one,two' as one string"),
        (HOME, "one two", "warning", "AUTH_AUDIENCE takes one name"),
        (f"{HOME}/", f"{HOME}/", "warning", f"a verifier that expects '{HOME}' refuses every token"),
        (f"{HOME}/one", f"{HOME}/one", "warning", f"request {HOME}/one/.well-known/"),
        ("https://Auth.example.com", HOME, "warning", f"write {HOME} for https://Auth.example.com"),
        (f"{HOME}:443", HOME, "warning", f"write {HOME} for {HOME}:443"),
        ("http://localhost:8000", "http://localhost:8000", "note", "only this machine can reach"),
        ("https://localhost", "https://localhost", "note", "only this machine can reach"),
    ],
)
def test_the_issuer_is_in_order_if_verifiers_can_find_and_compare_it(
    issuer: str, audience: str, level: str, text: str
) -> None:
    findings = list(check_issuer(issuer, audience))
    assert worst(findings) == level
    assert any(text in found for found in texts(findings, level)), findings
