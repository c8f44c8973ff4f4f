"""The settings that the service reads from its environment; `.env.example` lists all of them."""

import itertools
import os
import re
import runpy
import secrets
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.keys import Algorithm
from app.settings import PREFIX, DatabaseSettings, Settings, SettingsError, load
from app.settings.values import Between
from tests.support.servers import ROOT, TEST_SECRET, app

EXAMPLE = (ROOT / ".env.example").read_text()
_LINE = re.compile(r"^(# )?(AUTH_[A-Z_]+)=(.*)$", re.MULTILINE)
REQUIRED = {name: value for off, name, value in _LINE.findall(EXAMPLE) if not off}
DEFAULTS = {name: value for off, name, value in _LINE.findall(EXAMPLE) if off}
GOOD = REQUIRED | {"AUTH_SECRET_KEYS": TEST_SECRET}
# The machine decides about this one.
OF_THE_MACHINE = "AUTH_PASSWORD_HASH_THREADS"

# One value that is not the default for each setting.
OTHER = {
    "AUTH_DATABASE_URL": "postgres://somebody:word@db.example:5433/other",
    "AUTH_REDIS_URL": "rediss://cache.example:6380/3",
    "AUTH_SECRET_KEYS": f"{secrets.token_urlsafe(32)},{secrets.token_hex(32)}",
    "AUTH_ISSUER": "https://auth.example.com",
    "AUTH_AUDIENCE": "https://api.example.com",
    "AUTH_ALLOWED_ORIGINS": "https://app.example.com, http://localhost:5173",
    "AUTH_NATIVE_ORIGINS": "capacitor://localhost, https://localhost",
    "AUTH_TRUSTED_PROXIES": "::ffff:10.0.0.0/104 192.0.2.7 2001:db8::/32",
    "AUTH_ROOT_PATH": "/auth/",
    "AUTH_HSTS": "max-age=31536000; includeSubDomains",
    "AUTH_SIGNING_ALGORITHM": "EdDSA",
    "AUTH_SIGNING_RSA_BITS": "4096",
    "AUTH_KEY_ROTATION_INTERVAL": "off",
    "AUTH_ACCESS_TOKEN_TTL": "300",
    "AUTH_LEEWAY": "PT5S",
    "AUTH_SESSION_TTL": "P14D",
    "AUTH_SESSION_IDLE_TTL": "86400",
    "AUTH_REFRESH_GRACE": "0",
    "AUTH_REUSE_REVOKES": "account",
    "AUTH_SESSIONS_PER_ACCOUNT": "5",
    "AUTH_LOGIN_LIMIT_ACCOUNT": "5/60 20/P1D",
    "AUTH_LOGIN_LIMIT_ADDRESS": "7/PT1M",
    "AUTH_LOGIN_LIMIT_GLOBAL": "9/1",
    "AUTH_REFRESH_LIMIT": "11/PT2M",
    "AUTH_PASSWORD_MIN_LENGTH": "8",
    "AUTH_BREACHED_PASSWORDS_URL": "https://breaches.example/range",
    "AUTH_PASSWORD_HASH_MEMORY_KIB": "65536",
    "AUTH_PASSWORD_HASH_TIME_COST": "3",
    "AUTH_PASSWORD_HASH_THREADS": "7",
    "AUTH_PASSWORD_HASH_QUEUE": "0",
    "AUTH_EVENT_RETENTION": "P30D",
    "AUTH_DATABASE_POOL_SIZE": "20",
    "AUTH_DATABASE_POOLER": "on",
    "AUTH_STARTUP_TIMEOUT": "PT1M30S",
    "AUTH_ACTIVITY": "off",
    "AUTH_CLIENTS": "off",
    "AUTH_EVENTS": "off",
    "AUTH_FEED": "off",
    "AUTH_STATUS_LISTS": "off",
    "AUTH_LOG_FORMAT": "console",
    "AUTH_LOG_LEVEL": "warning",
    "AUTH_LOG_PROBES": "on",
    "AUTH_LISTEN": "[::]:8080",
    "AUTH_KEEP_ALIVE": "620",
    "AUTH_DRAIN": "5",
    "AUTH_CONNECTIONS": "10000",
    "AUTH_CONNECTIONS_PER_ADDRESS": "50",
}


def settings(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Settings:
    for field in Settings.model_fields:
        monkeypatch.delenv(PREFIX + field.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load(Settings)


def test_the_example_names_every_setting_once_and_nothing_else() -> None:
    named = [name for _, name, _ in _LINE.findall(EXAMPLE)]
    assert sorted(named) == sorted(PREFIX + field.upper() for field in Settings.model_fields)
    required = {PREFIX + name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert set(REQUIRED) == required
    # A comment stands above each setting, and every line is a comment or a setting.
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        assert not line or line.startswith("# ") or _LINE.match(line), line
        if _LINE.match(line):
            assert lines[number - 1].startswith("# "), line
            assert not _LINE.match(lines[number - 1]), line


def test_every_setting_is_described_in_one_line_that_the_example_repeats_with_the_bounds() -> None:
    above: dict[str, str] = {}
    comment: list[str] = []
    for line in EXAMPLE.splitlines():
        if found := _LINE.match(line):
            above[found[2].removeprefix(PREFIX).lower()] = " ".join(comment)
        comment = [*comment, line.removeprefix("# ")] if line.startswith("# ") and not found else []
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert "\n" not in field.description
        assert len(field.description) < 100, name
        assert above[name].startswith(field.description), name
        for bounds in field.metadata:
            if isinstance(bounds, Between):
                assert str(bounds) in above[name], name
            if hasattr(bounds, "ge"):
                assert f" {bounds.ge} to " in above[name], name
            if hasattr(bounds, "le"):
                assert re.search(rf" to {bounds.le}\b", above[name]), name


def test_the_example_s_defaults_are_the_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch, GOOD | DEFAULTS) == settings(monkeypatch, GOOD)
    for name, value in DEFAULTS.items():
        default = Settings.model_fields[name.removeprefix(PREFIX).lower()].default
        # An empty value is not set, so it shows the default only where the default is nothing.
        assert (value == "") == (default in {(), None} or name == OF_THE_MACHINE), name


@pytest.mark.parametrize(("processors", "threads"), [(None, 1), (1, 1), (2, 1), (8, 7)])
def test_one_processor_is_left_to_everything_else(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, threads: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    anew = runpy.run_path(str(ROOT / "app/settings/passwords.py"))
    assert anew["PasswordSettings"].model_fields["password_hash_threads"].default == threads


def test_the_example_runs_once_its_placeholder_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"\AAUTH_SECRET_KEYS: [^\n]*\Z"):
        settings(monkeypatch, REQUIRED)
    made = b64encode(secrets.token_bytes(32)).decode()  # The form of `openssl rand -base64 32`.
    assert settings(monkeypatch, REQUIRED | {"AUTH_SECRET_KEYS": made}).issuer == REQUIRED["AUTH_ISSUER"]
    assert "openssl rand -base64 32" in EXAMPLE


def test_every_setting_is_taken_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(OTHER) == set(REQUIRED) | set(DEFAULTS)
    plain, other = settings(monkeypatch, GOOD), settings(monkeypatch, OTHER)
    unmoved = [field for field in Settings.model_fields if getattr(plain, field) == getattr(other, field)]
    assert unmoved == []
    assert other.allowed_origins == ("https://app.example.com", "http://localhost:5173")
    assert other.trusted_proxies == ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")
    assert [len(secret) for secret in other.secret_keys] == [32, 32]
    assert other.signing_algorithm is Algorithm.EDDSA
    assert other.key_rotation_interval is None
    assert other.startup_timeout == timedelta(seconds=90)


def test_every_setting_is_taken_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    direct = settings(monkeypatch, OTHER)
    for name, value in OTHER.items():
        # An editor on Windows begins a file with a byte order mark.
        (tmp_path / name).write_text(f"{value}\r\n", encoding="utf-8-sig")
    files = {f"{name}_FILE": str(tmp_path / name) for name in OTHER}
    assert settings(monkeypatch, files) == direct
    # Quotes around nothing, which `docker --env-file` keeps, are no second value.
    assert settings(monkeypatch, files | dict.fromkeys(OTHER, '""')) == direct
    assert load(DatabaseSettings).database_url == OTHER["AUTH_DATABASE_URL"]


def test_a_file_s_name_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files leave it so, with `AUTH_SECRET_KEYS_FILE: ${AUTH_SECRET_KEYS_FILE:-}`."""
    nameless = {f"{name}_FILE": "" for name in GOOD}
    assert settings(monkeypatch, GOOD | nameless) == settings(monkeypatch, GOOD)


def test_the_command_line_works_from_files_alone(
    migrated: object, environment: dict[str, str], tmp_path: Path
) -> None:
    for name, value in environment.items():
        (tmp_path / name).write_text(f"{value}\n")
    files = {f"{name}_FILE": str(tmp_path / name) for name in environment}
    for command in (["migrate"], ["users", "list", "--search", "nobody@"]):
        done = app(*command, environment=files)
        assert (done.returncode, done.stderr) == (0, "")


def test_durations_are_seconds_or_have_a_unit_or_are_iso_8601(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [("900", 900), ("PT15M", 900), ("PT0.5H", 1800), ("1", 1), ("PT1H", 3600)]
    times += [("900s", 900), ("15m", 900), ("1h", 3600)]
    for text, seconds in times:
        taken = settings(monkeypatch, GOOD | {"AUTH_ACCESS_TOKEN_TTL": text}).access_token_ttl
        assert taken == timedelta(seconds=seconds), text
    assert settings(monkeypatch, GOOD | {"AUTH_SESSION_TTL": "P1DT12H"}).session_ttl == timedelta(hours=36)
    assert settings(monkeypatch, GOOD | {"AUTH_SESSION_TTL": "30d"}).session_ttl == timedelta(days=30)
    for text in ("15 m", "15M", "m", "1w", "1h30m", "999999999999d"):
        with pytest.raises(SettingsError, match="AUTH_SESSION_TTL"):
            settings(monkeypatch, GOOD | {"AUTH_SESSION_TTL": text})


@pytest.mark.parametrize("around", ["{}\r", "{}\n", " {}\t", '"{}"', "'{}'", ' "{} " '])
def test_white_space_and_quotes_around_a_value_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, around: str
) -> None:
    wrapped = {name: around.format(value) for name, value in OTHER.items()}
    assert settings(monkeypatch, wrapped) == settings(monkeypatch, OTHER)


def test_a_value_of_white_space_or_of_quotes_alone_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    blank = dict(zip(DEFAULTS, itertools.cycle([" ", "\t\r\n", '""', "' '"])))
    assert settings(monkeypatch, GOOD | blank) == settings(monkeypatch, GOOD)


@pytest.mark.parametrize("text", ['"api', "'api\"", '"api" ,"other"', "'a'b'"])
def test_a_value_that_is_quoted_in_part_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(SettingsError, match="AUTH_AUDIENCE: has stray quotes"):
        settings(monkeypatch, GOOD | {"AUTH_AUDIENCE": text})


def test_limits_themselves_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    widest = {"AUTH_LEEWAY": "60", "AUTH_REFRESH_GRACE": "PT60S", "AUTH_ACCESS_TOKEN_TTL": "PT1H"}
    narrowest = {"AUTH_LEEWAY": "0", "AUTH_REFRESH_GRACE": "0", "AUTH_ACCESS_TOKEN_TTL": "1"}
    assert settings(monkeypatch, GOOD | widest).leeway == timedelta(minutes=1)
    assert settings(monkeypatch, GOOD | narrowest).refresh_grace == timedelta()


@pytest.mark.parametrize(
    "issuer", ["http://localhost", "http://127.0.0.1:8000", "http://[::1]:8000", "https://a.example/tenant"]
)
def test_http_is_accepted_where_nothing_leaves_the_machine(
    monkeypatch: pytest.MonkeyPatch, issuer: str
) -> None:
    assert settings(monkeypatch, GOOD | {"AUTH_ISSUER": issuer}).issuer == issuer


def test_a_random_secret_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `token_urlsafe(32)`, `openssl rand -hex 32` and `openssl rand -base64 32` write them."""
    raw = [secrets.token_bytes(size) for size in (32, 48, 64) for _ in range(1000)]
    texts = [*(b64encode(secret).decode() for secret in raw), *(secret.hex() for secret in raw)]
    texts += [secrets.token_urlsafe(32) for _ in range(2000)] + [raw[0].hex().upper()]
    taken = settings(monkeypatch, GOOD | {"AUTH_SECRET_KEYS": ",\n".join(texts)}).secret_keys
    assert len(taken) == len(texts)
    assert taken[:6000] == (*raw, *raw)


def test_no_secret_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = repr(settings(monkeypatch, OTHER))
    assert "word" not in shown.replace("password", "")
    assert not any(secret in shown for secret in OTHER["AUTH_SECRET_KEYS"].split(","))
    assert "cache.example" not in shown
