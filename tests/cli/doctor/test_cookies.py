"""Findings about the cookies in browsers."""

from datetime import timedelta

import httpx2
import pytest

from app.cli.doctor.client import NoAnswer
from app.cli.doctor.cookies import check_logout, check_storage
from app.http.cookies import Cookies

DAY = timedelta(days=1)
STRICT, DEVELOPMENT = Cookies.of("https://auth.example.com"), Cookies.of("http://localhost:8000")


@pytest.mark.parametrize(
    ("issuer", "level", "text"),
    [
        (
            "https://auth.example.com",
            "ok",
            "__Host-refresh_token and __Host-device, because they are set over https",
        ),
        ("https://localhost", "ok", "__Host-refresh_token and __Host-device, because"),
        ("http://localhost:8000", "note", "refresh_token_8000 and device_8000, without Secure"),
        ("http://127.0.0.1:8001", "note", "refresh_token_8001 and device_8001, without Secure"),
    ],
)
def test_cookies_are_strict_over_https_and_those_of_development_on_this_machine(
    issuer: str, level: str, text: str
) -> None:
    first, second = check_storage(issuer, 30 * DAY)
    assert (first.level, first.subject) == (level, "cookies")
    assert text in first.text
    assert "for 30 days (AUTH_SESSION_TTL). Browsers keep a cookie for at most 400 days" in second.text


def test_a_logout_without_an_answer_is_a_problem_with_its_reason() -> None:
    (finding,) = check_logout(NoAnswer("no answer within 15 seconds"), STRICT)
    assert finding.level == "problem"
    assert "no answer within 15 seconds" in finding.text


CLEARED = "__Host-refresh_token=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict; Secure"


@pytest.mark.parametrize(
    ("cookies", "line", "level", "text"),
    [
        (STRICT, CLEARED, "ok", "unchanged: Secure, HttpOnly, SameSite=Strict"),
        (STRICT, CLEARED.removesuffix("; Secure"), "problem", "without Secure: browsers discard"),
        (STRICT, f"{CLEARED}; Domain=x", "problem", "with Domain=x: browsers discard"),
        (
            DEVELOPMENT,
            "refresh_token_8000=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict",
            "ok",
            "unchanged: HttpOnly, SameSite=Strict",
        ),
        (
            DEVELOPMENT,
            "refresh_token_8000=; Max-Age=0; Path=/auth; HttpOnly; SameSite=Strict",
            "problem",
            "with Path=/auth instead of Path=/: browsers send it to other places",
        ),
    ],
)
def test_what_a_proxy_changed_in_a_cookie_is_found(
    cookies: Cookies, line: str, level: str, text: str
) -> None:
    (finding,) = check_logout(httpx2.Response(204, headers={"Set-Cookie": line}), cookies)
    assert finding.level == level
    assert text in finding.text
