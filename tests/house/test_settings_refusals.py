"""Settings that the service refuses to start with: one line on stderr names each variable and its remedy."""

import secrets
import textwrap
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from string import ascii_letters, digits

import pytest

from app.settings import Settings, SettingsError, load
from tests.support.servers import TEST_SECRET, app

# Nothing listens on port 1, so a setting that is accepted ends in a line about Postgres.
GOOD = {
    "AUTH_DATABASE_URL": "postgresql://watchword:hunter2@127.0.0.1:1/watchword",
    "AUTH_REDIS_URL": "redis://127.0.0.1:1/0",
    "AUTH_SECRET_KEYS": TEST_SECRET,
    "AUTH_ISSUER": "https://auth.example.com",
    "AUTH_AUDIENCE": "https://api.example.com",
    "AUTH_STARTUP_TIMEOUT": "0",
}

# Secrets that an attacker could guess.
GUESSABLE = {
    "short": secrets.token_urlsafe(24),
    "repeated": "ab" * 32,
    "repeated block": secrets.token_hex(8) * 4,
    "sequential bytes": bytes(range(128, 160)).hex(),
    "sequential letters": (ascii_letters + digits)[:44],
    "descending bytes": bytes(range(255, 191, -1)).hex(),
    "passphrase": "correct-horse-battery-staple-correct-horse-battery-staple",
    "lower words": "thequickbrownfoxjumpsoverthelazydogandrunsaway12",
    "upper words": "THEQUICKBROWNFOXJUMPSOVERTHELAZYDOGANDRUNSAWAY12",
    "base64 of text": b64encode(b"The quick brown fox jumps over the lazy dog, 1234567890").decode(),
    "base64url of a phrase": urlsafe_b64encode(
        "Äpfel fallen für gewöhnlich nicht weit vom Stamm".encode()
    ).decode(),
    "hex of text": b"The quick brown fox jumps over the lazy dog".hex(),
    "no base64url": "p@ssw0rd!p@ssw0rd!p@ssw0rd!p@ssw0rd!p@ssw0rd!",
    "zeros": "0" * 64,
}


def refusal(environment: Mapping[str, str], *arguments: str) -> list[str]:
    """The lines on stderr of a start that has to be refused."""
    done = app(*(arguments or ("serve",)), environment=environment)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert "hunter2" not in done.stderr
    return done.stderr.splitlines()


def test_every_wrong_value_has_a_line_of_its_own() -> None:
    wrong = {
        "AUTH_DATABASE_URL": ("mysql://u:hunter2@h/d", "postgresql://"),
        "AUTH_REDIS_URL": ("http://:hunter2@h", "redis://"),
        "AUTH_ISSUER": ("http://auth.example.com", "https://"),
        "AUTH_ROOT_PATH": ("auth", "/auth"),
        "AUTH_HSTS": ("63072000", "max-age=63072000"),
        "AUTH_TRUSTED_PROXIES": ("10.0.0.0/8, proxy.example", "proxy.example"),
        "AUTH_SIGNING_ALGORITHM": ("HS256", "published key set cannot hold a shared secret; use RS256"),
        "AUTH_SIGNING_RSA_BITS": ("1024", "should be 2048, 3072 or 4096"),
        "AUTH_KEY_ROTATION_INTERVAL": ("PT59M", "must be between 1 hour and 400 days"),
        "AUTH_ACCESS_TOKEN_TTL": ("3601", "1 hour"),
        "AUTH_LEEWAY": ("61", "1 minute"),
        "AUTH_SESSION_TTL": ("P401D", "between"),
        "AUTH_SESSION_IDLE_TTL": ("1 week", "duration"),
        "AUTH_REFRESH_GRACE": ("PT60.5S", "0 seconds and 1 minute"),
        "AUTH_REUSE_REVOKES": ("everything", "'session' or 'account'"),
        "AUTH_SESSIONS_PER_ACCOUNT": ("0", "greater than or equal to 1"),
        "AUTH_LOGIN_LIMIT_ACCOUNT": ("10/PT1M,20/PT1M", "longer window and a larger number"),
        "AUTH_LOGIN_LIMIT_ADDRESS": ("0/PT1M", "10/PT1M"),
        "AUTH_LOGIN_LIMIT_GLOBAL": ("ten", "10/PT1M"),
        "AUTH_REFRESH_LIMIT": ("10/PT0.5S", "10/PT1M"),
        "AUTH_PASSWORD_MIN_LENGTH": ("7", "8"),
        "AUTH_BREACHED_PASSWORDS_URL": ("http://breaches.example", "https://"),
        "AUTH_EVENT_RETENTION": ("PT23H", "between"),
        "AUTH_PASSWORD_HASH_MEMORY_KIB": ("19455", "19456"),
        "AUTH_PASSWORD_HASH_TIME_COST": ("1", "2"),
        "AUTH_PASSWORD_HASH_THREADS": ("none", "integer"),
        "AUTH_DATABASE_POOL_SIZE": ("0", "1"),
        "AUTH_STARTUP_TIMEOUT": ("-1", "between"),
        "AUTH_ACTIVITY": ("yes", "must be on or off"),
        "AUTH_LOG_FORMAT": ("xml", "'json' or 'console'"),
    }
    lines = refusal(GOOD | {name: value for name, (value, _) in wrong.items()})
    reported = dict(line.split(": ", 1) for line in lines)
    assert len(reported) == len(lines)
    assert reported.keys() == wrong.keys()
    for name, (_, remedy) in wrong.items():
        assert remedy in reported[name], name


def test_names_that_access_tokens_have_no_room_for_are_refused() -> None:
    long = {"AUTH_ISSUER": f"https://auth.example.com/{'a' * 230}", "AUTH_AUDIENCE": "\u20ac" * 85}
    assert sorted(refusal(GOOD | long)) == [
        f"{name}: takes 257 bytes, and access tokens have room for 256" for name in sorted(long)
    ]


def test_missing_variables_are_named() -> None:
    lines = refusal({"AUTH_AUDIENCE": ""})
    required = [name for name in GOOD if name != "AUTH_STARTUP_TIMEOUT"]
    assert [line.split(": ")[0] for line in lines] == required
    assert all("is not set; .env.example describes it" in line for line in lines)
    (line,) = refusal({}, "migrate")
    assert line.startswith("AUTH_DATABASE_URL: is not set")


def test_guessable_secrets_are_refused_and_never_echoed() -> None:
    lines = refusal(GOOD | {"AUTH_SECRET_KEYS": " ".join(GUESSABLE.values())})
    assert len(lines) == len(GUESSABLE)
    for line in lines:
        assert line.startswith("AUTH_SECRET_KEYS: ")
        assert line.endswith('make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"')
        assert not any(secret[:12] in line for secret in GUESSABLE.values())


@pytest.mark.parametrize("size", [64, 96, 128])
def test_a_secret_that_openssl_has_broken_into_lines_is_refused_and_not_taken_for_two(size: int) -> None:
    printed = "\n".join(textwrap.wrap(b64encode(secrets.token_bytes(size)).decode(), 64))
    (line,) = refusal(GOOD | {"AUTH_SECRET_KEYS": printed})
    assert line.startswith(
        "AUTH_SECRET_KEYS: has a line break after 64 characters, which would make two secrets"
    )


def test_secrets_on_lines_of_their_own_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        secrets.token_hex(32),
        secrets.token_hex(32),
        secrets.token_urlsafe(32),
        secrets.token_urlsafe(48),
    ]
    for name, value in (GOOD | {"AUTH_SECRET_KEYS": "\n".join(listed)}).items():
        monkeypatch.setenv(name, value)
    assert len(load(Settings).secret_keys) == len(listed)


@pytest.mark.parametrize("guise", GUESSABLE)
def test_a_guessable_secret_is_refused_beside_a_good_one(guise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOD | {"AUTH_SECRET_KEYS": f"{TEST_SECRET},{GUESSABLE[guise]}"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"\AAUTH_SECRET_KEYS: [^\n]*\Z"):
        load(Settings)


def test_a_proxy_list_that_trusts_every_client_is_refused() -> None:
    halves = "0.0.0.0/1 10.0.0.0/8 128.0.0.0/1"
    for everything in (
        "0.0.0.0/0",
        "::/0",
        halves,
        "::/1,8000::/1",
        "::ffff:0:0/96",
        "::ffff:0:0/97 128.0.0.0/1",
    ):
        (line,) = refusal(GOOD | {"AUTH_TRUSTED_PROXIES": everything})
        assert line == "AUTH_TRUSTED_PROXIES: this trusts every client; list your proxies' addresses"


def test_wildcards_paths_and_null_are_no_origins() -> None:
    origins = [
        *("*", "null", "https://*.example.com", "https://app.example.com/", "https://app.example.com/path"),
        *(
            "http://app.example.com",
            "https://App.example.com",
            "app.example.com",
            "https://u:p@app.example.com",
        ),
        *("https://app.example.com?x", "https://", "https://app.example.com:port", "https://[::1"),
        *("https://app.example.com'", "https://app.example.com;", "https://b\u00fccher.example"),
    ]
    lines = refusal(GOOD | {"AUTH_ALLOWED_ORIGINS": " ".join(["https://fine.example.com", *origins])})
    assert len(lines) == len(origins), lines
    assert all(line.startswith("AUTH_ALLOWED_ORIGINS: ") for line in lines)


def test_an_origin_of_an_app_has_a_scheme_and_a_host_and_is_no_wildcard() -> None:
    fine = "capacitor://localhost ionic://localhost http://localhost https://localhost tauri://localhost"
    origins = [
        *("*", "null", "capacitor://*", "capacitor://", "capacitor:", "localhost", "file://", "://localhost"),
        *("capacitor://localhost/", "Capacitor://localhost", "capacitor://Localhost", "x://u@h", "x://h?q"),
        *("x://h:port", "x://h:123456", "x://h\u00fc"),
    ]
    lines = refusal(GOOD | {"AUTH_NATIVE_ORIGINS": " ".join([fine, *origins])})
    assert len(lines) == len(origins), lines
    assert all(line.startswith("AUTH_NATIVE_ORIGINS: ") for line in lines)
    assert all("like capacitor://localhost" in line for line in lines)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"AUTH_DATABASE_URL": "postgresql://u:hunter2@h:port/d"}, "postgresql://user:password@host:5432"),
        ({"AUTH_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:65537/d"}, "port"),
        ({"AUTH_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d?colour=red"}, "colour"),
        ({"AUTH_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d?sslmode=maybe"}, "sslmode"),
        ({"AUTH_REDIS_URL": "redis://:hunter2@h:port/0"}, "ort"),
        ({"AUTH_REDIS_URL": "redis://:hunter2@h/0?db=first"}, "db"),
        ({"AUTH_SECRET_KEYS": f"{TEST_SECRET},{TEST_SECRET}"}, "replace one"),
        ({"AUTH_ISSUER": "https://auth.example.com:port"}, "ort"),
        ({"AUTH_LEEWAY": "9" * 30}, ""),
        ({"AUTH_LOGIN_LIMIT_ACCOUNT": "20/PT1M,100/P30D"}, "longer than a day"),
        ({"AUTH_PASSWORD_HASH_MEMORY_KIB": "262144", "AUTH_PASSWORD_HASH_TIME_COST": "10"}, ""),
    ],
)
def test_a_value_that_only_its_user_can_judge_is_refused_as_clearly(
    wrong: dict[str, str], remedy: str
) -> None:
    (line,) = refusal(GOOD | wrong)
    assert line.split(": ")[0] in wrong
    assert remedy in line
    assert TEST_SECRET not in line


def test_a_file_that_cannot_be_read_is_reported_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("\n")
    for file, variable in [("missing", "_FILE"), ("", "_FILE"), ("binary", "_FILE"), ("empty", "")]:
        named = {"AUTH_SECRET_KEYS": "", "AUTH_SECRET_KEYS_FILE": str(tmp_path / file)}
        (line,) = refusal(GOOD | named)
        assert line.startswith(f"AUTH_SECRET_KEYS{variable}: "), file


def test_a_variable_and_its_file_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "audience").write_text("https://other.example.com")
    (line,) = refusal(GOOD | {"AUTH_AUDIENCE_FILE": str(tmp_path / "audience")})
    assert "AUTH_AUDIENCE" in line
    assert "AUTH_AUDIENCE_FILE" in line


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@h:port/d", "postgresql://u:hunter2@127.0.0.1:1/d"])
def test_a_migration_that_cannot_connect_says_so_in_one_line(url: str) -> None:
    (line,) = refusal({"AUTH_DATABASE_URL": url, "AUTH_STARTUP_TIMEOUT": "0"}, "migrate")
    assert "AUTH_DATABASE_URL" in line
