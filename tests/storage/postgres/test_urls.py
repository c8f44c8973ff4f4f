"""URLs of Postgres as operators and platforms write them, with libpq's parameters."""

import os
from dataclasses import replace
from urllib.parse import quote

import pytest

from app.storage.postgres.connections import Connector
from app.storage.postgres.encryption import encryption
from app.storage.postgres.urls import DatabaseUrl, parse_url


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_parts_of_a_url_are_read(scheme: str) -> None:
    url = parse_url(f"{scheme}://u:p@db.example:5433/d?sslmode=require")
    assert (url.user, url.password, url.database) == ("u", "p", "d")
    assert (url.hosts, url.ssl_mode) == ((("db.example", 5433),), "require")


@pytest.mark.parametrize(
    ("place", "hosts"),
    [
        ("db.example.com", [("db.example.com", 5432)]),
        ("one:5433,two", [("one", 5433), ("two", 5432)]),
        ("one,two:5434,three?port=5435", [("one", 5435), ("two", 5434), ("three", 5435)]),
        ("?host=one,two&port=5433,5434", [("one", 5433), ("two", 5434)]),
        ("?host=one:5432&host=two:5433", [("one", 5432), ("two", 5433)]),
        ("?host=one&port=5433&host=two&port=5434", [("one", 5433), ("two", 5434)]),
        ("ignored?host=one", [("one", 5432)]),
        ("[::1]", [("::1", 5432)]),
        ("[2001:db8::7]:5433,[fe80::1%25eth0]", [("2001:db8::7", 5433), ("fe80::1%eth0", 5432)]),
        ("?host=::1", [("::1", 5432)]),
        ("?host=/var/run/postgresql", [("/var/run/postgresql", 5432)]),
        ("?host=%2Fvar%2Frun%2Fpostgresql&port=5433", [("/var/run/postgresql", 5433)]),
        ("%2Fvar%2Frun%2Fpostgresql", [("/var/run/postgresql", 5432)]),
        ("", []),
        ("?port=5433", [("", 5433)]),
    ],
)
def test_hosts_and_ports_are_read(place: str, hosts: list[tuple[str, int]]) -> None:
    before, mark, query = place.partition("?")
    assert list(parse_url(f"postgresql://u:p@{before}/d{mark}{query}").hosts) == hosts


@pytest.mark.parametrize("password", ["p@ss:w/o+rd%#?é&=,[]", "a b", "p+q", "%41"])
def test_every_letter_of_a_password_can_be_percent_encoded(password: str) -> None:
    assert parse_url(f"postgresql://u:{quote(password, safe='')}@h/d").password == password
    assert parse_url(f"postgresql://u@h/d?password={quote(password, safe='')}").password == password


@pytest.mark.parametrize("password", ["hunter2@2", "hunter2:2", "hunter2#2", "hunter2 2"])
def test_letters_that_are_not_ambiguous_need_no_encoding(password: str) -> None:
    assert parse_url(f"postgresql://u:{password}@h/d").password == password


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:1234/hunter2@h/d", "percent-encode the password"),
        ("postgresql://u:1234?hunter2@h/d", "percent-encode the password"),
        ("postgresql://u:1@2?hunter2=x@h/d", "percent-encode the password"),
        ("postgresql://u:1@2/3?hunter2=x@h/d", "percent-encode the password"),
        ("postgresql://u@h/d?password=1&hunter2", "does not understand what stands there"),
        ("postgresql://u:hunter2%ff@h/d", "percent-encode the password"),
        ("postgresql://u:hunter2%00@h/d", "percent-encode the password"),
        ("mysql://u:hunter2@h/d", "postgresql://user:password@host:5432/database"),
        ("postgresql://u:hunter2@h:port/d", "postgresql://user:password@host:5432/database"),
        ("postgresql://u:hunter2@[::1/d", "postgresql://user:password@host:5432/database"),
        ("postgresql://u:hunter2@h:65537/d", "no port 65537"),
        ("postgresql://u:hunter2@h:0/d", "no port 0"),
        ("postgresql://u:hunter2@one,two,three/d?port=1,2", "3 hosts and 2 ports"),
        ("postgresql://u:hunter2@h/d?sslmod=require", "sslmod after the question mark; sslmode may be meant"),
        ("postgresql://u:hunter2@h/d?colour=red", "does not understand colour"),
        ("postgresql://u:hunter2@h/d?a%20b=1", "does not understand what stands there"),
        ("postgresql://u:hunter2@h/d?sslmode=maybe", "sslmode is one of disable, allow,"),
        ("postgresql://u:hunter2@h/d?hostaddr=192.0.2.7", "does not understand hostaddr"),
        ("postgresql://u:hunter2@h/d?require_auth=scram-sha-256", "does not understand require_auth"),
        ("postgresql://u:hunter2@h/d?service=main", "does not understand service"),
        ("postgresql://u:hunter2@h/d?gssencmode=require", "gssencmode is one of disable, prefer"),
        (
            "postgresql://u:hunter2@h/d?target_session_attrs=standby",
            "target_session_attrs is one of read-write,",
        ),
        ("postgresql://u:hunter2@h/d?connect_timeout=soon", "connect_timeout is a number of seconds"),
        ("postgresql://u:hunter2@h/d?sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require"),
        ("postgresql://u:hunter2@h/d?sslmode=require&sslrootcert=system", "needs sslmode=verify-full"),
        (
            "postgresql://u:hunter2@h/d?ssl_min_protocol_version=SSLv3",
            "ssl_min_protocol_version is one of TLSv1.2, TLSv1.3",
        ),
        ("postgresql://u:hunter2@h/d?ssl_max_protocol_version=TLSv1.1", "ssl_max_protocol_version is one of"),
        (
            "postgresql://u:hunter2@h/d?ssl_max_protocol_version=TLSv1.2&ssl_min_protocol_version=TLSv1.3",
            "ssl_max_protocol_version is below",
        ),
        ("postgresql://u:hunter2@h/d?sslmode=require&sslcrl=/missing", "sslcrl needs sslmode=verify-ca"),
        ("postgresql://u:hunter2@h/d?sslmode=verify-full&ssl=true", "two values of sslmode"),
        ("postgresql://u:hunter2@h/d?ssl=false&sslmode=verify-full", "two values of sslmode"),
        ("postgresql://u:hunter2@h/d?sslmode=verify-full&sslmode=disable", "two values of sslmode"),
        ("postgresql://u@h/d?password=hunter2&password=hunter22", "two values of password"),
        ("postgresql://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/missing", "sslrootcert cannot be used"),
        ("postgresql://u:hunter2@h/d?sslcert=/missing", "sslcert or sslkey cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_without_the_password(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as refused:
        Connector(url)
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "without_effect"),
    [
        ("sslmode=require&channel_binding=require", ["channel_binding"]),
        ("sslmode=require&options=endpoint%3Dep-cool-sun-123456", []),
        (
            "keepalives=1&keepalives_idle=30&tcp_user_timeout=5000",
            ["keepalives", "keepalives_idle", "tcp_user_timeout"],
        ),
        ("gssencmode=disable&connect_timeout=10&application_name=shop", ["gssencmode"]),
        ("target_session_attrs=read-write&load_balance_hosts=random", ["load_balance_hosts"]),
        ("pgbouncer=true&connect_timeout=0", ["pgbouncer"]),
    ],
)
def test_what_platforms_add_is_taken(query: str, without_effect: list[str]) -> None:
    url = f"postgresql://u:p@db.example.com/app?{query}"
    Connector(url)
    assert parse_url(url).without_effect == without_effect


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", None),
        ("?ssl=true", "require"),
        ("?ssl=false", "disable"),
        ("?ssl=true&sslmode=require", "require"),
        ("?ssl=verify-full", "verify-full"),
        ("?sslrootcert=system", "verify-full"),
    ],
)
def test_the_ways_to_ask_for_tls_are_one(query: str, mode: str | None) -> None:
    assert parse_url(f"postgresql://h/d{query}").ssl_mode == mode


def test_variables_of_libpq_for_encryption_count_where_the_url_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert parse_url("postgresql://h/d").ssl_mode == "verify-full"
    assert parse_url("postgresql://h/d?sslmode=require").ssl_mode == "require"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGSSLMODE", "verify_full"),
        ("PGSSLMODE", "VERIFY-FULL"),
        ("PGSSLMODE", "required"),
        ("PGSSLMODE", "require "),
        ("PGSSLMODE", "verify-full\n"),
        ("PGSSLNEGOTIATION", "Direct"),
        ("PGSSLMINPROTOCOLVERSION", "1.3"),
        ("PGSSLMAXPROTOCOLVERSION", "SSLv3"),
        ("PGGSSENCMODE", "require"),
        ("PGCHANNELBINDING", "required"),
    ],
)
def test_a_misspelt_value_of_a_variable_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=rf"\A{variable} is one of [^\n]+\Z"):
        Connector("postgresql://u:hunter2@h/d")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"PGSSLROOTCERT": "system", "PGSSLMODE": "require"}, "PGSSLROOTCERT=system needs"),
        ({"PGSSLROOTCERT": "/missing", "PGSSLMODE": "verify-full"}, "PGSSLROOTCERT cannot be used"),
        ({"PGSSLNEGOTIATION": "direct"}, "PGSSLNEGOTIATION=direct needs"),
        ({"PGSSLCRL": "/missing"}, "PGSSLCRL needs"),
        ({"PGREQUIREAUTH": "scram-sha-256"}, "cannot keep PGREQUIREAUTH"),
        ({"PGREQUIREPEER": "postgres"}, "cannot keep PGREQUIREPEER"),
        ({"PGSSLCERT": "/missing"}, "PGSSLCERT or sslkey cannot be used"),
        (
            {"PGSSLMAXPROTOCOLVERSION": "TLSv1.2", "PGSSLMINPROTOCOLVERSION": "TLSv1.3"},
            "PGSSLMAXPROTOCOLVERSION is below PGSSLMINPROTOCOLVERSION",
        ),
    ],
)
def test_what_a_variable_asks_for_and_cannot_be_used_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=told):
        Connector("postgresql://u:hunter2@h/d")


def test_a_mode_that_is_not_known_never_counts_as_an_optional_one() -> None:
    url = replace(parse_url("postgresql://h/d"), parameters={"sslmode": "verify_full"})
    with pytest.raises(ValueError, match="sslmode is one of"):
        encryption(url)


def test_a_process_without_a_name_needs_a_user_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found: 12345")

    monkeypatch.setattr("app.storage.postgres.connections.getuser", nameless)
    with pytest.raises(ValueError, match="names no user"):
        Connector("postgresql:///d")
    Connector("postgresql://u@/d")
    monkeypatch.setenv("PGUSER", "u")
    Connector("postgresql:///d")


@pytest.mark.parametrize("home", ["/proc/1/root/nowhere", "/nonexistent", "/dev/null"])
@pytest.mark.parametrize("mode", ["allow", "prefer", "require", "verify-ca", "verify-full"])
def test_a_home_that_cannot_be_looked_into_is_one_without_certificates(
    monkeypatch: pytest.MonkeyPatch, home: str, mode: str
) -> None:
    monkeypatch.setenv("HOME", home)
    asked = encryption(parse_url(f"postgresql://h/d?sslmode={mode}"))
    assert asked.context is not None
    assert bool(asked.context.verify_mode) == mode.startswith("verify")
    assert asked.context.check_hostname == (mode == "verify-full")


def test_no_password_shows_when_a_url_is_printed() -> None:
    url = parse_url("postgresql://u:hunter2@h/d?sslpassword=hunter2")
    assert isinstance(url, DatabaseUrl)
    assert "hunter2" not in repr(url)
