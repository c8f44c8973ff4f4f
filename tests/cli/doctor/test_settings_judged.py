"""What ``check-config`` says of settings, before anything is asked of a server."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from app.cli.doctor import browsers, networks, policies, verifiers
from app.cli.doctor.findings import Finding, duration, in_words, note, ok, problem
from app.domain.throttling import Limit

HOME = "https://auth.example.com"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def only(findings: Iterable[Finding], level: str) -> list[str]:
    return [finding.text for finding in findings if finding.level == level]


def worst(findings: Iterable[Finding]) -> str:
    levels = {finding.level.value for finding in findings}
    return next(level for level in ("problem", "warning", "note", "ok") if level in levels)


@pytest.mark.parametrize(
    ("issuer", "origin", "level", "text"),
    [
        (HOME, "https://app.example.com", "ok", "is on the issuer's site https://example.com"),
        (HOME, "https://app.example.com:8443", "ok", "is on the issuer's site"),
        (HOME, HOME, "note", "is the issuer's own origin"),
        (f"{HOME}:443/path", HOME, "note", "is the issuer's own origin"),
        ("http://localhost:8000", "http://localhost:5173", "ok", "is on the issuer's site http://localhost"),
        (
            HOME,
            "https://app.other.com",
            "problem",
            "other.com is another site than the issuer's example.com.",
        ),
        (HOME, "http://app.example.com", "problem", "http and https are never the same one"),
        (HOME, "http://localhost:5173", "problem", "localhost is a site of its own"),
        ("http://localhost:8000", "http://127.0.0.1:5173", "problem", "an IP address is a site of its own"),
        ("https://192.0.2.7", "https://192.0.2.8", "problem", "an IP address is a site of its own"),
        (
            "https://me.github.io",
            "https://you.github.io",
            "problem",
            "github.io is a public suffix, below which each name is somebody else's",
        ),
        ("https://github.io", "https://you.github.io", "problem", "github.io is a public suffix"),
        ("https://auth", "https://app", "problem", "app is another site than the issuer's auth."),
        (HOME, "https://app.example.com:443", "problem", "it writes https://app.example.com."),
        (HOME, "https://äpp.example.com", "problem", "it writes https://xn--pp-uia.example.com."),
    ],
)
def test_an_origin_is_judged_by_whether_its_pages_stay_signed_in(
    issuer: str, origin: str, level: str, text: str
) -> None:
    (finding,) = browsers.origins(issuer, [origin])
    assert (finding.level, finding.subject) == (level, "origins")
    assert text in finding.text


def test_no_origin_at_all_is_in_order() -> None:
    assert worst(browsers.origins(HOME, [])) == "ok"


@pytest.mark.parametrize(
    ("issuer", "audience", "level", "text"),
    [
        (HOME, HOME, "ok", "verifiers compare it letter by letter"),
        (HOME, "https://api.example.com", "ok", "'https://api.example.com', as one string"),
        (HOME, "one,two", "warning", "'one,two' as one string"),
        (HOME, "one two", "warning", "AUTH_AUDIENCE takes one name"),
        (f"{HOME}/", f"{HOME}/", "warning", f"was told '{HOME}' refuses every token"),
        (f"{HOME}/one", f"{HOME}/one", "warning", f"ask for {HOME}/one/.well-known/"),
        ("https://Auth.example.com", HOME, "warning", f"write {HOME} for https://Auth.example.com"),
        (f"{HOME}:443", HOME, "warning", f"write {HOME} for {HOME}:443"),
        ("http://localhost:8000", "http://localhost:8000", "note", "only this machine can reach"),
        ("https://localhost", "https://localhost", "note", "only this machine can reach"),
    ],
)
def test_the_issuer_is_judged_by_what_verifiers_compare(
    issuer: str, audience: str, level: str, text: str
) -> None:
    findings = list(verifiers.issuer(issuer, audience))
    assert worst(findings) == level
    assert any(text in said for said in only(findings, level)), findings


@pytest.mark.parametrize(
    ("issuer", "level", "text"),
    [
        (HOME, "ok", "__Host-refresh_token and __Host-device, because they come over https"),
        ("http://localhost:8000", "note", "and Safari does not"),
        ("http://127.0.0.1:8000", "warning", "Use http://localhost, or https."),
    ],
)
def test_cookies_are_judged_by_which_browsers_keep_them(issuer: str, level: str, text: str) -> None:
    first, second = browsers.cookies(issuer, 30 * DAY)
    assert (first.level, first.subject) == (level, "cookies")
    assert text in first.text
    assert "for 30 days (AUTH_SESSION_TTL); no browser keeps a cookie for more than 400 days" in second.text


@pytest.mark.parametrize(
    ("issuer", "trusted", "level", "text"),
    [
        (HOME, [], "warning", "one stranger's wrong passwords throttle everybody"),
        ("http://localhost:8000", [], "ok", "No proxy is trusted"),
        (HOME, ["10.207.83.0/29"], "ok", "believed from 10.207.83.0/29"),
        (HOME, ["fd00:1234::7/128"], "ok", "believed from fd00:1234::7/128"),
        (HOME, ["192.0.2.7/32"], "ok", "believed from 192.0.2.7/32"),
        (HOME, ["10.0.0.0/8"], "note", "16,777,216 addresses"),
        (HOME, ["fd00::/8"], "note", "every machine among them"),
        (HOME, ["198.51.100.0/24"], "warning", "256 public addresses"),
        (HOME, ["0.0.0.0/1"], "warning", "2,147,483,648 public addresses"),
        (HOME, ["2001:db8::/32"], "warning", "public addresses"),
    ],
)
def test_proxies_are_judged_by_who_can_pass_for_anybody(
    issuer: str, trusted: list[str], level: str, text: str
) -> None:
    (finding,) = networks.proxies(issuer, trusted)
    assert (finding.level, finding.subject) == (level, "proxies")
    assert text in finding.text


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
def test_the_way_to_postgres_is_judged_by_who_can_listen(
    hosts: list[str], mode: str | None, level: str
) -> None:
    assert networks.postgres_link(hosts, mode).level == level


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
def test_the_way_to_redis_is_judged_by_who_can_listen(hosts: list[str], tls: bool, level: str) -> None:
    assert networks.redis_link(hosts, tls=tls).level == level


def test_secrets_are_judged_by_their_number_and_by_who_can_read_their_files() -> None:
    assert worst(policies.secrets(1, {"AUTH_SECRET_KEYS_FILE": 0o100400})) == "ok"
    assert "lists 2 secrets" in only(policies.secrets(2, {}), "note")[0]
    (open_to_all,) = only(policies.secrets(1, {"AUTH_REDIS_URL_FILE": 0o100644}), "warning")
    assert "AUTH_REDIS_URL_FILE names (mode 644)" in open_to_all


@pytest.mark.parametrize(
    ("access", "idle", "grace", "level", "text"),
    [
        (15 * MINUTE, 7 * DAY, 10, "ok", "An access token lives 15 minutes"),
        (HOUR, 7 * DAY, 10, "note", "lives 1 hour: for so long"),
        (15 * MINUTE, 31 * DAY, 10, "warning", "never idle for 31 days"),
        (15 * MINUTE, 5 * MINUTE, 10, "note", "it lives 5 minutes (AUTH_SESSION_IDLE_TTL)"),
        (15 * MINUTE, 7 * DAY, 0, "note", "AUTH_REFRESH_GRACE is 0, which is strict"),
    ],
)
def test_lifetimes_are_judged_by_how_long_what_ended_is_believed(
    access: timedelta, idle: timedelta, grace: int, level: str, text: str
) -> None:
    findings = list(verifiers.lifetimes(access, idle, 30 * DAY, timedelta(seconds=grace)))
    assert worst(findings) == level
    assert any(text in said for said in only(findings, level)), findings


def test_limits_are_judged_by_how_often_a_password_may_be_guessed() -> None:
    usual = (Limit(10, MINUTE), Limit(100, 30 * DAY))
    assert only(policies.limits(usual), "ok") == [
        "At most 10 in 1 minute, 100 in 30 days: so many wrong passwords of one account are let through."
    ]
    (loose,) = only(policies.limits([Limit(101, MINUTE), Limit(1000, DAY)]), "warning")
    assert "NIST SP 800-63B-4 wants at most 100 in a row" in loose
    (patient,) = only(policies.limits([Limit(10, MINUTE)]), "note")
    assert "14,400 tries a day" in patient


def test_durations_are_told_in_the_largest_unit_that_divides_them() -> None:
    lengths = [timedelta(), timedelta(seconds=90), MINUTE, 36 * HOUR, DAY, 30 * DAY]
    told = ["0 seconds", "90 seconds", "1 minute", "36 hours", "1 day", "30 days"]
    assert [duration(length) for length in lengths] == told


def test_findings_are_printed_by_their_subjects_with_a_count_at_the_end() -> None:
    findings = [ok("one", "It is well."), problem("one", " ".join(["word"] * 20)), note("two", "Look at it.")]
    assert in_words(findings).splitlines() == [
        "one",
        "  ok       It is well.",
        f"  problem  {' '.join(['word'] * 18)}",
        f"           {' '.join(['word'] * 2)}",
        "two",
        "  note     Look at it.",
        "",
        "1 problem, 0 warnings, 1 note",
    ]
