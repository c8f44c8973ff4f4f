"""Findings about AUTH_SECRET_KEYS and the files of secrets."""

from app.cli.doctor.secrets import check_secrets
from tests.support.findings import texts, worst


def test_one_secret_in_a_private_file_is_in_order() -> None:
    assert worst(check_secrets(1, {"AUTH_SECRET_KEYS_FILE": 0o100400})) == "ok"
    assert "lists 2 secrets" in texts(check_secrets(2, {}), "note")[0]
    (readable,) = texts(check_secrets(1, {"AUTH_REDIS_URL_FILE": 0o100644}), "warning")
    assert "AUTH_REDIS_URL_FILE names (mode 644)" in readable
