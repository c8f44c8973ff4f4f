"""``origins``: which pages can sign in and stay signed in, and which of them hold tokens themselves."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from app.cli.doctor.findings import Finding, note, ok, problem, warning
from app.cli.doctor.sites import Site, is_ip, is_local, is_public_suffix, origin_of, public_suffix_of, site_of


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


def check_native_origins(issuer: str, allowed: Sequence[str], native: Sequence[str]) -> Iterator[Finding]:
    """Check each entry of AUTH_NATIVE_ORIGINS."""
    for origin in native:
        yield _check_native(issuer, allowed, origin)


def _check_native(issuer: str, allowed: Sequence[str], origin: str) -> Finding:
    holds = f"A page of {origin} signs in as a native client and holds its refresh token itself"
    url = urlsplit(origin)
    if origin in allowed or origin == origin_of(issuer):
        return warning(
            "origins",
            f"{holds}, though it may use the cookie: a script in that page can take the refresh token away. "
            "Remove it from AUTH_NATIVE_ORIGINS, unless the same address is an app in a web view.",
        )
    if url.scheme not in {"http", "https"}:
        return ok("origins", f"{holds}. Only an app can have this origin.")
    if is_local(origin) or (url.hostname or "").endswith(".localhost"):
        return note(
            "origins",
            f"{holds}. Apps in a web view have this origin, and so has a page that another program serves "
            "on the user's own machine.",
        )
    return warning(
        "origins",
        f"{holds}. That is an address of the web: a script in that page can take the refresh token away. Use "
        "AUTH_ALLOWED_ORIGINS and a browser's cookie, unless it is an app in a web view.",
    )


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
