"""Variables that look like settings and are none."""

import json
from pathlib import Path

import pytest

from app.settings.names import misspelt
from tests.support.servers import app

KNOWN = [
    "AUTH_ALLOWED_ORIGINS",
    "AUTH_REFRESH_GRACE",
    "AUTH_SECRET_KEYS",
    "AUTH_ACCESS_TOKEN_TTL",
    "AUTH_ISSUER",
]
MISSPELT = {
    "AUTH_ALLOWED_ORIGIN": "AUTH_ALLOWED_ORIGINS",
    "AUTH_REFESH_GRACE": "AUTH_REFRESH_GRACE",
    "AUTH_SECRET_KEY": "AUTH_SECRET_KEYS",
    "AUTH_ACCESS_TTL": "AUTH_ACCESS_TOKEN_TTL",
    "AUTH_ISSUER_FILES": "AUTH_ISSUER_FILE",
}
# What Kubernetes and Docker set for services called auth and auth-api.
LINKS = {
    "AUTH_PORT": "tcp://10.96.0.12:8000",
    "AUTH_SERVICE_HOST": "10.96.0.12",
    "AUTH_SERVICE_PORT": "8000",
    "AUTH_SERVICE_PORT_HTTP": "8000",
    "AUTH_PORT_8000_TCP": "tcp://10.96.0.12:8000",
    "AUTH_PORT_8000_TCP_PROTO": "tcp",
    "AUTH_PORT_8000_TCP_PORT": "8000",
    "AUTH_PORT_8000_TCP_ADDR": "10.96.0.12",
    "AUTH_API_SERVICE_HOST": "10.96.0.13",
    "AUTH_API_PORT": "tcp://10.96.0.13:80",
    "AUTH_NAME": "/web/auth",
}


def test_each_misspelt_name_comes_with_the_setting_that_it_resembles() -> None:
    values = dict.fromkeys(MISSPELT, "hunter2")
    assert misspelt(values | {"OTHER_SECRET_KEY": "x"}, "AUTH_", KNOWN) == MISSPELT
    assert misspelt({"AUTH_QQQ": "x"}, "AUTH_", KNOWN) == {"AUTH_QQQ": None}


def test_settings_links_to_services_and_empty_variables_are_not_misspelt() -> None:
    right = dict.fromkeys(KNOWN, "x") | {f"{name}_FILE": "x" for name in KNOWN}
    others = {"AUTH_TEST_DATABASE_URL": "x", "AUTH_SECRET_KEY": " ", "auth_secret_key": "x"}
    assert misspelt(right | LINKS | others, "AUTH_", KNOWN) == {}
    # A value that is no address was meant as a setting.
    assert misspelt({"AUTH_PORT": "8000"}, "AUTH_", KNOWN).keys() == {"AUTH_PORT"}


def test_check_config_and_the_start_name_them_without_their_values(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = environment | dict.fromkeys(MISSPELT, "hunter2") | LINKS
    checked = app("check-config", "--json", environment=wrong)
    named = [finding for finding in json.loads(checked.stdout) if finding["subject"] == "settings"]
    assert [finding["text"].partition(" ")[0] for finding in named] == sorted(MISSPELT)
    assert "Perhaps AUTH_SECRET_KEYS is meant." in named[-1]["text"]
    # No network of this machine has this address, so the start ends here.
    started = app("serve", "--port", "1", "--host", "192.0.2.1", environment=wrong)
    (line,) = [
        json.loads(line)
        for line in (started.stdout + started.stderr).splitlines()
        if "settings.unknown" in line
    ]
    assert line["variables"] == dict(sorted(MISSPELT.items()))
    assert "hunter2" not in checked.stdout + checked.stderr + started.stdout + started.stderr


@pytest.mark.parametrize("quote", ["", '"', "'", " "])
def test_a_file_is_found_whatever_stands_around_its_name(
    migrated: object, environment: dict[str, str], tmp_path: Path, quote: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(environment["AUTH_SECRET_KEYS"])
    file.chmod(0o600)
    by_file = {name: value for name, value in environment.items() if name != "AUTH_SECRET_KEYS"}
    named = by_file | {"AUTH_SECRET_KEYS_FILE": f"{quote}{file}{quote}"}
    assert app("check-config", environment=named).returncode == 0
    stray = app("check-config", environment=by_file | {"AUTH_SECRET_KEYS_FILE": f'"{file}'})
    assert stray.stderr == "AUTH_SECRET_KEYS_FILE: has stray quotes; leave them out\n"
