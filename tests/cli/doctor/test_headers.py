"""Findings about the headers of answers."""

import httpx2

from app.cli.doctor.headers import check_headers


def test_a_public_deployment_must_require_https() -> None:
    safe = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    bare, complete = httpx2.Response(200, headers=safe), httpx2.Response(200, headers=safe)
    complete.headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    assert [finding.level for finding in check_headers([("GET /", complete)], public=True)] == ["ok"]
    assert [finding.level for finding in check_headers([("GET /", bare)], public=False)] == ["ok"]
    (finding,) = check_headers([("GET /", complete), ("GET /livez", bare)], public=True)
    assert finding.level == "warning"
    assert "1 of 2 answers, such as that to GET /livez, lack Strict-Transport-Security" in finding.text
