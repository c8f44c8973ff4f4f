"""Findings about the stored keys and the published key set."""

from datetime import UTC, datetime

from app.cli.doctor.client import NoAnswer
from app.cli.doctor.keys import check_key_set, check_stored_keys
from app.domain.keys import Algorithm, SigningKey

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def key(kid: str, *, signs: bool) -> SigningKey:
    return SigningKey(kid, Algorithm.ES256, {}, b"", NOW, NOW if signs else None)


def test_stored_keys_are_in_order_if_the_secrets_open_a_signing_key_and_a_standby() -> None:
    both = [key("first", signs=True), key("second", signs=False)]
    assert [finding.level for finding in check_stored_keys(both, ())] == ["ok", "ok"]
    assert [finding.level for finding in check_stored_keys([], ())] == ["note"]
    assert [finding.level for finding in check_stored_keys(both[:1], ())] == ["ok", "warning"]
    signing, standby = check_stored_keys(both, {"first", "second"})
    assert (signing.level, standby.level) == ("problem", "problem")
    assert "opens first, the signing key: users cannot sign in or refresh" in signing.text
    assert "opens second, the standby key: it can never take over the signing" in standby.text
    assert signing.text.startswith("No secret in AUTH_SECRET_KEYS opens")
    assert signing.text.endswith("List the secret that sealed it.")


def test_a_key_set_without_an_answer_is_a_problem_with_its_reason() -> None:
    (finding,) = check_key_set(NoAnswer("no answer within 15 seconds"))
    assert finding.level == "problem"
    assert "no answer within 15 seconds" in finding.text
