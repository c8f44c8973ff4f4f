"""Findings about AUTH_TRUSTED_PROXIES."""

import pytest

from app.cli.doctor.proxies import check_proxies

HOME = "https://auth.example.com"


@pytest.mark.parametrize(
    ("issuer", "trusted", "level", "text"),
    [
        (HOME, [], "warning", "one attacker's wrong passwords throttle every user"),
        ("http://localhost:8000", [], "ok", "No proxy is trusted"),
        (HOME, ["10.207.83.0/29"], "ok", "trusted from 10.207.83.0/29"),
        (HOME, ["fd00:1234::7/128"], "ok", "trusted from fd00:1234::7/128"),
        (HOME, ["192.0.2.7/32"], "ok", "trusted from 192.0.2.7/32"),
        (HOME, ["10.0.0.0/8"], "note", "16,777,216 addresses"),
        (HOME, ["fd00::/8"], "note", "every machine in it"),
        (HOME, ["198.51.100.0/24"], "warning", "256 public addresses"),
        (HOME, ["0.0.0.0/1"], "warning", "2,147,483,648 public addresses"),
        (HOME, ["2001:db8::/32"], "warning", "public addresses"),
    ],
)
def test_a_trusted_network_is_in_order_if_clients_cannot_send_from_it(
    issuer: str, trusted: list[str], level: str, text: str
) -> None:
    (finding,) = check_proxies(issuer, trusted)
    assert (finding.level, finding.subject) == (level, "proxies")
    assert text in finding.text
