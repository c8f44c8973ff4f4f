"""Findings about encryption, and the hosts that the URLs of the servers name."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from app.cli.doctor.client import Answer, NoAnswer
from app.cli.doctor.tls import check_certificate, check_plain_http, check_postgres_url, check_redis_url
from app.storage.postgres.urls import servers as postgres_servers
from app.storage.redis.client import servers as redis_servers

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hosts", "mode", "level"),
    [
        ([""], None, "ok"),
        (["/run/postgresql"], None, "ok"),
        (["localhost", "127.0.0.2", "::1"], "disable", "ok"),
        (["localhost"], "require", "ok"),
        (["postgres"], None, "note"),
        (["postgres"], "require", "note"),
        (["postgres"], "verify-full", "ok"),
        (["db.example.com"], None, "warning"),
        (["10.0.0.5"], "prefer", "warning"),
        (["postgres", "db.example.com"], None, "warning"),
        (["db.example.com"], "require", "note"),
        (["db.example.com"], "verify-ca", "ok"),
    ],
)
def test_a_postgres_url_is_in_order_if_no_attacker_can_listen(
    hosts: list[str], mode: str | None, level: str
) -> None:
    assert check_postgres_url(hosts, mode).level == level


@pytest.mark.parametrize(
    ("hosts", "tls", "level"),
    [
        ([], False, "ok"),
        (["localhost"], False, "ok"),
        (["redis"], False, "note"),
        (["cache.example.com"], False, "warning"),
        (["localhost", "192.0.2.7"], False, "warning"),
        (["cache.example.com"], True, "ok"),
    ],
)
def test_a_redis_url_is_in_order_if_no_attacker_can_listen(hosts: list[str], tls: bool, level: str) -> None:
    assert check_redis_url(hosts, tls=tls).level == level


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
def test_the_hosts_and_the_mode_of_a_database_url_are_read(
    url: str, hosts: list[str], mode: str | None
) -> None:
    assert postgres_servers(url) == (hosts, mode)


@pytest.mark.parametrize(
    ("url", "hosts", "tls"),
    [
        ("redis://:secret@cache.example.com:6380/1", ["cache.example.com"], False),
        ("rediss://cache.example.com", ["cache.example.com"], True),
        ("unix:///run/redis.sock", [], False),
        ("redis+sentinel://one:26379,two/service/0", ["one", "two"], False),
        ("rediss+cluster://one,[::1]:7003", ["one", "::1"], True),
    ],
)
def test_the_hosts_and_the_encryption_of_a_redis_url_are_read(url: str, hosts: list[str], tls: bool) -> None:
    assert redis_servers(url) == (hosts, tls)


@pytest.mark.parametrize(
    ("base", "days", "insecure", "level", "text"),
    [
        ("https://auth.example.com", 60, False, "ok", "names the host; it expires on 2027-01-24."),
        ("https://auth.example.com", 13, False, "warning", "expires on 2026-12-08, in 13 days"),
        ("https://auth.example.com", None, False, "ok", "names the host."),
        ("https://auth.example.com", None, True, "note", "was not verified"),
        ("http://localhost:8000", None, True, "note", "reachable from this machine only"),
    ],
)
def test_a_certificate_is_in_order_until_two_weeks_before_it_expires(
    base: str, days: int | None, insecure: bool, level: str, text: str
) -> None:
    until = None if days is None else NOW + timedelta(days=days)
    finding = check_certificate(base, until, insecure=insecure, now=NOW)
    assert (finding.level, finding.subject) == (level, "tls")
    assert text in finding.text


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (NoAnswer("Connection refused"), "ok"),
        (httpx2.Response(308, headers={"Location": "https://auth.example.com/livez"}), "ok"),
        (httpx2.Response(403), "ok"),
        (httpx2.Response(302, headers={"Location": "http://elsewhere.example"}), "problem"),
        (httpx2.Response(200), "problem"),
    ],
)
def test_the_http_port_may_only_redirect_to_https_or_refuse(answer: Answer, level: str) -> None:
    assert check_plain_http("auth.example.com", answer).level == level
