"""Security headers for browsers."""


def security_headers(hsts: str | None) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of every response; ``hsts`` is the value of Strict-Transport-Security, or None."""
    headers = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    )
    return (*headers, (b"strict-transport-security", hsts.encode())) if hsts else headers
