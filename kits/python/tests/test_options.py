"""Options come from the environment, and those that cannot work are refused at once."""

import os
from pathlib import Path
from typing import Any

import pytest

from watchword_verifier import ClientCredentials, ConfigurationError, Options, Verifier
from watchword_verifier.options import options_from
from watchword_verifier.urls import is_loopback

LEAST = {"WATCHWORD_ISSUER": "https://auth.example.com", "WATCHWORD_AUDIENCE": "https://orders.example.com"}


def test_an_issuer_and_an_audience_are_enough() -> None:
    options = options_from(LEAST)

    assert options == Options("https://auth.example.com", "https://orders.example.com")
    assert (options.revocation, options.leeway, options.require_status) == ("status-list", 30, False)


def test_every_variable_has_its_option(tmp_path: Path) -> None:
    secret, authorities = tmp_path / "secret", tmp_path / "ca.pem"
    secret.write_text("wwc_x\n")
    authorities.touch()
    given = LEAST | {
        "WATCHWORD_REVOCATION": "feed",
        "WATCHWORD_CLIENT_ID": " orders ",
        "WATCHWORD_CLIENT_SECRET_FILE": str(secret),
        "WATCHWORD_JWKS_URL": "http://localhost:8000/.well-known/jwks.json",
        "WATCHWORD_REQUIRE_STATUS": "True",
        "WATCHWORD_CA_FILE": str(authorities),
        "WATCHWORD_PROXY": "http://proxy:3128",
    }

    options = options_from(given)

    assert options.revocation == "feed"
    assert options.client == ClientCredentials("orders", "wwc_x")
    assert options.jwks_url == "http://localhost:8000/.well-known/jwks.json"
    assert options.require_status
    assert (options.ca_file, options.proxy) == (str(authorities), "http://proxy:3128")
    assert options_from(given, "none").revocation == "none"
    assert "wwc_x" not in repr(options)


def test_a_verifier_reads_the_environment_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("WATCHWORD_"):
            monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match="WATCHWORD_ISSUER and WATCHWORD_AUDIENCE are required"):
        Verifier.from_environment()
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)

    assert Verifier.from_environment("none").options.issuer == "https://auth.example.com"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"WATCHWORD_AUDIENCE": " "}, "are required"),
        ({"WATCHWORD_REVOCATION": "sometimes"}, "none, status-list, feed"),
        ({"WATCHWORD_REVOCATION": "feed"}, "needs a client id"),
        ({"WATCHWORD_CLIENT_ID": "orders"}, "go together"),
        ({"WATCHWORD_CLIENT_SECRET": "x"}, "go together"),
        ({"WATCHWORD_REQUIRE_STATUS": "perhaps"}, "true or false"),
        ({"WATCHWORD_ISSUER": "http://auth.example.com"}, "issuer: the address is not https"),
        ({"WATCHWORD_ISSUER": "auth.example.com"}, "issuer: the address has no host"),
        ({"WATCHWORD_ISSUER": "https://a.example/ x"}, "issuer: the address is malformed"),
        ({"WATCHWORD_ISSUER": "https://[::1/"}, "issuer: the address is malformed"),
        ({"WATCHWORD_JWKS_URL": "http://10.0.0.1/jwks"}, "key set URL: the address is not https"),
        ({"WATCHWORD_CA_FILE": "/does/not/exist"}, "there is no file"),
        ({"WATCHWORD_ISSUER_FILE": "/does/not/exist", "WATCHWORD_ISSUER": ""}, "cannot be read"),
        ({"WATCHWORD_ISSUER_FILE": "/dev/null"}, "only one of"),
    ],
)
def test_what_cannot_work_is_refused_by_name(given: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        options_from(LEAST | given)


@pytest.mark.parametrize("options", [{"audience": ""}, {"leeway": -1}, {"patience": 0}, {"revocation": "x"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Options(**{"issuer": "https://auth.example.com", "audience": "x"} | options)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("0.0.0.0", False),  # noqa: S104 - it is not bound to
        ("10.0.0.1", False),
    ],
)
def test_only_the_machine_itself_is_asked_without_tls(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
