"""What browsers take for one site, and how they write an origin."""

import pytest

from app.cli.doctor.sites import Site, origin_of, site_of


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://app.example.com", ("https", "example.com")),
        ("https://example.com:8443", ("https", "example.com")),
        ("http://app.example.com", ("http", "example.com")),
        ("https://a.b.example.co.uk", ("https", "example.co.uk")),
        ("https://co.uk", ("https", "co.uk")),
        ("https://somebody.github.io", ("https", "somebody.github.io")),
        ("https://example.xn--p1ai", ("https", "example.xn--p1ai")),
        ("http://localhost:5173", ("http", "localhost")),
        ("https://192.0.2.7", ("https", "192.0.2.7")),
        ("https://[2001:db8::1]:8443", ("https", "2001:db8::1")),
        ("https://auth", ("https", "auth")),
    ],
)
def test_a_site_is_scheme_and_registrable_domain(address: str, site: tuple[str, str]) -> None:
    assert site_of(address) == Site(*site)


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Auth.Example.com/path", "https://auth.example.com"),
        ("https://auth.example.com:443", "https://auth.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://auth.example.com:8443", "https://auth.example.com:8443"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("https://exämple.com", "https://xn--exmple-cua.com"),
        ("https://a..b", "https://a..b"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(address: str, origin: str) -> None:
    assert origin_of(address) == origin
