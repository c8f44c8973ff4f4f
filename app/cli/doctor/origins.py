"""``origins``: whether the pages of each allowed origin can sign in and stay signed in."""

from collections.abc import Iterator, Sequence

from app.cli.doctor.findings import Finding, note, ok, problem
from app.cli.doctor.sites import Site, is_ip, is_public_suffix, origin_of, public_suffix_of, site_of


def check_origins(issuer: str, allowed: Sequence[str]) -> Iterator[Finding]:
    """Check each entry of AUTH_ALLOWED_ORIGINS."""
    if not allowed:
        yield ok(
            "origins",
            f"AUTH_ALLOWED_ORIGINS is empty: only pages of {origin_of(issuer)} itself, and clients other "
            "than browsers, can use the service.",
        )
    for origin in allowed:
        yield _check(issuer, origin)


def _check(issuer: str, origin: str) -> Finding:
    written, home, theirs = origin_of(origin), site_of(issuer), site_of(origin_of(origin))
    if written != origin:
        return problem(
            "origins",
            f"Browsers write {written} for {origin}, so pages there are refused with 403. Write {written} "
            "in AUTH_ALLOWED_ORIGINS.",
        )
    if written == origin_of(issuer):
        return note(
            "origins",
            f"{origin} is the issuer's own origin, which is always allowed. The entry has no effect.",
        )
    if theirs == home:
        return ok(
            "origins",
            f"A page of {origin} is on the issuer's site {home}. Its browser sends the refresh token with "
            "requests that have credentials: 'include'.",
        )
    return problem(
        "origins",
        f"A page of {origin} cannot sign in. Its browser marks the request as cross-site, and the service "
        "refuses it with 403. The browser never sends the refresh token either, because the cookie is "
        f"SameSite=Strict. {_difference(home, theirs)} Serve pages and service under one domain, both over "
        "https.",
    )


def _difference(home: Site, theirs: Site) -> str:
    if theirs.host == home.host:
        return f"{theirs} and {home} are two sites: http and https are never the same site, even on one host."
    if is_ip(theirs.host) or is_ip(home.host):
        return f"{theirs.host} and {home.host} are two sites: an IP address is a site of its own."
    if "localhost" in {theirs.host, home.host}:
        return f"{theirs.host} and {home.host} are two sites: localhost is a site of its own."
    suffix = public_suffix_of(theirs.host)
    if is_public_suffix(suffix) and suffix == public_suffix_of(home.host):
        return (
            f"{theirs.host} and {home.host} are two sites: {suffix} is a public suffix, and each name below "
            "it has its own owner."
        )
    return f"{theirs.host} is a different site from the issuer's {home.host}."
