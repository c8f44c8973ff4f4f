"""Findings about AUTH_ALLOWED_ORIGINS."""

import pytest

from app.cli.doctor.origins import check_native_origins, check_origins

HOME = "https://auth.example.com"


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
            "other.com is a different site from the issuer's example.com.",
        ),
        (HOME, "http://app.example.com", "problem", "http and https are never the same site"),
        (HOME, "http://localhost:5173", "problem", "localhost is a site of its own"),
        ("http://localhost:8000", "http://127.0.0.1:5173", "problem", "an IP address is a site of its own"),
        ("https://192.0.2.7", "https://192.0.2.8", "problem", "an IP address is a site of its own"),
        (
            "https://me.github.io",
            "https://you.github.io",
            "problem",
            "github.io is a public suffix, and each name below it has its own owner",
        ),
        ("https://github.io", "https://you.github.io", "problem", "github.io is a public suffix"),
        ("https://auth", "https://app", "problem", "app is a different site from the issuer's auth."),
        (HOME, "https://app.example.com:443", "problem", "Write https://app.example.com in"),
        (HOME, "https://äpp.example.com", "problem", "Write https://xn--pp-uia.example.com in"),
    ],
)
def test_an_origin_is_in_order_if_its_pages_can_stay_signed_in(
    issuer: str, origin: str, level: str, text: str
) -> None:
    (finding,) = check_origins(issuer, [origin])
    assert (finding.level, finding.subject) == (level, "origins")
    assert text in finding.text


def test_an_empty_list_of_origins_is_in_order() -> None:
    (finding,) = check_origins(HOME, [])
    assert (finding.level, finding.subject) == ("ok", "origins")


@pytest.mark.parametrize(
    ("origin", "level", "text"),
    [
        ("capacitor://localhost", "ok", "Only an app can have this origin"),
        ("http://localhost", "note", "another program serves on the user's own machine"),
        ("http://tauri.localhost", "note", "another program serves on the user's own machine"),
        ("https://tauri.example.com", "warning", "That is an address of the web"),
        ("https://app.example.com", "warning", "though it may use the cookie"),
        (HOME, "warning", "though it may use the cookie"),
    ],
)
def test_an_origin_of_an_app_is_in_order_if_no_page_of_the_web_has_it(
    origin: str, level: str, text: str
) -> None:
    (finding,) = check_native_origins(HOME, ["https://app.example.com"], [origin])
    assert (finding.level, finding.subject) == (level, "origins")
    assert text in finding.text


def test_no_origin_of_an_app_is_no_finding() -> None:
    assert list(check_native_origins(HOME, [], [])) == []
