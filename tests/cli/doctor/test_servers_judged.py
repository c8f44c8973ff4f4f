"""What ``check-config`` says of servers, of signing keys, and of answers that no proxy of the tests gives."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.cli.doctor import arrivals, published, storage
from app.cli.doctor.asking import Silence
from app.domain.keys import Algorithm, SigningKey
from app.storage.postgres.database import ServerFacts
from app.storage.postgres.urls import servers as postgres_servers
from app.storage.redis.client import servers as redis_servers
from app.storage.redis.revocations import IndexFacts

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LEEWAY = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (ServerFacts(14, True, True, NOW), ["ok PostgreSQL 14 answers"]),
        (ServerFacts(13, True, True, NOW), ["problem It is PostgreSQL 13"]),
        (ServerFacts(18, False, True, NOW), ["ok PostgreSQL 18", "warning synchronous_commit is off"]),
        (ServerFacts(18, True, False, NOW), ["ok PostgreSQL 18", "warning fsync is off"]),
    ],
)
def test_postgres_is_judged_by_its_version_and_by_what_a_crash_leaves(
    server: ServerFacts, said: list[str]
) -> None:
    findings = [f"{finding.level} {finding.text}" for finding in storage.postgres(server)]
    assert all(found.startswith(text) for found, text in zip(findings, said, strict=True)), findings


@pytest.mark.parametrize(
    ("found", "level", "text"),
    [
        ("0002", "ok", "those of this release"),
        ("0001", "problem", "this release needs 0002: requests fail until you run: python -m app migrate"),
        ("0003", "warning", "a newer one has migrated them"),
    ],
)
def test_tables_are_judged_by_their_revision(found: str, level: str, text: str) -> None:
    finding = storage.tables(found, ["0001", "0002"])
    assert finding.level == level
    assert text in finding.text


@pytest.mark.parametrize(
    ("seconds", "leeway", "level"),
    [
        (0, 30, "ok"),
        (0.9, 0, "ok"),
        (-0.9, 0, "ok"),
        (1, 0, "problem"),
        (15, 30, "ok"),
        (16, 30, "warning"),
        (-16, 30, "warning"),
        (30, 30, "warning"),
        (31, 30, "problem"),
        (-31, 30, "problem"),
    ],
)
def test_clocks_are_judged_by_the_leeway(seconds: float, leeway: int, level: str) -> None:
    told = NOW + timedelta(seconds=seconds)
    assert storage.clock(NOW, told, NOW, timedelta(seconds=leeway)).level == level


def test_a_slow_answer_puts_no_clock_in_the_wrong() -> None:
    late = NOW + timedelta(seconds=4)
    assert storage.clock(NOW, NOW + timedelta(seconds=3), late, timedelta()).level == "ok"


@pytest.mark.requirement("L2")
@pytest.mark.parametrize(
    ("server", "trouble", "level", "text"),
    [
        (
            IndexFacts("Valkey", (9, 1, 0), "noeviction"),
            None,
            "ok",
            "Valkey 9.1.0 answers, and evicts nothing",
        ),
        (IndexFacts("Redis", (7, 0, 1), "noeviction"), None, "ok", "Redis 7.0.1 answers"),
        (IndexFacts("Redis", (6, 2, 14), "noeviction"), None, "problem", "Redis 6.2.14 does not know"),
        (IndexFacts("Redis", (8, 0), "allkeys-lru"), None, "problem", "(maxmemory-policy allkeys-lru): set"),
        (IndexFacts("Redis", (8, 0), "noeviction"), "It is full", "problem", "It is full. Postgres answers"),
        (None, None, "problem", "Redis does not answer. Postgres answers"),
    ],
)
def test_redis_is_judged_by_whether_it_can_be_believed(
    server: IndexFacts | None, trouble: str | None, level: str, text: str
) -> None:
    finding = storage.redis(server, trouble)
    assert (finding.level, finding.subject) == (level, "redis")
    assert text in finding.text


def key(kid: str, *, signs: bool) -> SigningKey:
    return SigningKey(kid, Algorithm.ES256, {}, b"", NOW, NOW if signs else None)


def test_keys_are_judged_by_whether_one_signs_and_one_stands_by() -> None:
    both = [key("first", signs=True), key("second", signs=False)]
    assert [finding.level for finding in storage.keys(both, ())] == ["ok", "ok"]
    assert [finding.level for finding in storage.keys([], ())] == ["note"]
    assert [finding.level for finding in storage.keys(both[:1], ())] == ["ok", "warning"]
    signing, standby = storage.keys(both, {"first", "second"})
    assert (signing.level, standby.level) == ("problem", "problem")
    assert "opens first, which signs: nobody can sign in or refresh" in signing.text
    assert "opens second, which stands by: its turn to sign never comes" in standby.text
    assert signing.text.endswith("The mend: list the secret that sealed it in AUTH_SECRET_KEYS.")


@pytest.mark.parametrize(
    ("url", "hosts", "mode"),
    [
        ("postgresql://u:p@db.example.com:5432/w", ["db.example.com"], None),
        ("postgresql://u:p@db.example.com/w?sslmode=verify-full", ["db.example.com"], "verify-full"),
        ("postgresql://u:p@/w?host=/run/postgresql", ["/run/postgresql"], None),
        ("postgresql://u:p@/w?host=one:5432&host=two:5433&sslmode=require", ["one", "two"], "require"),
        ("postgresql://u:p@[::1]:5432/w", ["::1"], None),
        ("postgresql://u:p@/w?host=::1", ["::1"], None),
        ("postgresql:///w", [""], None),
    ],
)
def test_the_hosts_of_a_database_url_are_told(url: str, hosts: list[str], mode: str | None) -> None:
    assert postgres_servers(url) == (hosts, mode)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://:secret@cache.example.com:6380/1", (["cache.example.com"], False)),
        ("rediss://cache.example.com", (["cache.example.com"], True)),
        ("unix:///run/redis.sock", ([], False)),
        ("redis+sentinel://one:26379,two/service/0", (["one", "two"], False)),
        ("rediss+cluster://one,[::1]:7003", (["one", "::1"], True)),
    ],
)
def test_the_hosts_of_a_redis_url_are_told(url: str, told: tuple[list[str], bool]) -> None:
    assert redis_servers(url) == told


@pytest.mark.parametrize(
    ("base", "days", "insecure", "level", "text"),
    [
        ("https://auth.example.com", 60, False, "ok", "names the host; it ends on 2027-01-24."),
        ("https://auth.example.com", 13, False, "warning", "ends on 2026-12-08, in 13 days"),
        ("https://auth.example.com", None, False, "ok", "names the host."),
        ("https://auth.example.com", None, True, "note", "was not checked"),
        ("http://localhost:8000", None, True, "note", "reaches this machine only"),
    ],
)
def test_a_certificate_is_judged_by_its_end(
    base: str, days: int | None, insecure: bool, level: str, text: str
) -> None:
    until = None if days is None else NOW + timedelta(days=days)
    finding = arrivals.encryption(base, until, insecure=insecure, now=NOW)
    assert (finding.level, finding.subject) == (level, "tls")
    assert text in finding.text


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (Silence("Connection refused"), "ok"),
        (httpx.Response(308, headers={"Location": "https://auth.example.com/livez"}), "ok"),
        (httpx.Response(403), "ok"),
        (httpx.Response(302, headers={"Location": "http://elsewhere.example"}), "problem"),
        (httpx.Response(200), "problem"),
    ],
)
def test_the_plain_port_is_judged_by_whether_it_keeps_to_itself(
    answer: httpx.Response | Silence, level: str
) -> None:
    assert arrivals.plain_http("auth.example.com", answer).level == level


def test_a_public_deployment_has_to_insist_on_https() -> None:
    safe = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    bare, complete = httpx.Response(200, headers=safe), httpx.Response(200, headers=safe)
    complete.headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    assert [finding.level for finding in arrivals.headers([("GET /", complete)], public=True)] == ["ok"]
    assert [finding.level for finding in arrivals.headers([("GET /", bare)], public=False)] == ["ok"]
    (finding,) = arrivals.headers([("GET /", complete), ("GET /livez", bare)], public=True)
    assert finding.level == "warning"
    assert "1 of 2 answers, such as that to GET /livez, lack Strict-Transport-Security" in finding.text


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"status": "ready", "postgres": "ok", "keys": "ok", "redis": "ok"}, "ok /readyz: ready, and"),
        (200, {"status": "ready", "redis": "failing"}, "warning /readyz: ready, but failing: redis."),
        (503, {"status": "not ready", "keys": "failing"}, "problem /readyz: not ready, failing: keys."),
        (200, ["ready"], "problem /readyz is not answered by the service (200, application/json)"),
    ],
)
def test_readiness_is_told_as_the_service_tells_it(status: int, body: object, said: str) -> None:
    alive = httpx.Response(200, json={"status": "alive"})
    _, ready = published.health(alive, httpx.Response(status, json=body))
    assert f"{ready.level} {ready.text}".startswith(said)


def test_what_does_not_answer_is_a_problem_with_its_reason() -> None:
    silent = Silence("nothing came within 15 seconds")
    findings = [
        *published.health(silent, silent),
        *published.metadata(silent, "https://auth.example.com", None),
        *published.key_set(silent),
        *arrivals.cookie(silent),
    ]
    assert {finding.level.value for finding in findings} == {"problem"}
    assert all(silent.reason in finding.text for finding in findings)
