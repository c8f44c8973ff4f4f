"""What browsers do: with pages of other origins, and with the cookies."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from app.cli.doctor.findings import Finding, duration, note, ok, problem, warning
from app.cli.doctor.sites import Site, is_ip, is_public_suffix, origin_of, public_suffix_of, site_of
from app.http.cookies import DEVICE_NAME, NAME


def origins(issuer: str, allowed: Sequence[str]) -> Iterator[Finding]:
    """Whether the pages of each origin can stay signed in."""
    if not allowed:
        yield ok(
            "origins",
            f"No origin is in AUTH_ALLOWED_ORIGINS: only pages of {origin_of(issuer)} itself, and clients "
            "that are no browsers, can use the service.",
        )
    for origin in allowed:
        yield _origin(issuer, origin)


def _origin(issuer: str, origin: str) -> Finding:
    written, home, theirs = origin_of(origin), site_of(issuer), site_of(origin_of(origin))
    if written != origin:
        return problem(
            "origins",
            f"No browser writes {origin}, so that pages there are refused with 403: it writes {written}. "
            "Write it so in AUTH_ALLOWED_ORIGINS.",
        )
    if written == origin_of(issuer):
        return note(
            "origins",
            f"{origin} is the issuer's own origin, which is always allowed; the entry changes nothing.",
        )
    if theirs == home:
        return ok(
            "origins",
            f"A page of {origin} is on the issuer's site {home}: its browser sends the refresh token when "
            "it asks with credentials: 'include'.",
        )
    return problem(
        "origins",
        f"A page of {origin} cannot sign in: its browser calls the request cross-site, which is refused "
        "with 403, and never sends the refresh token, because the cookie is SameSite=Strict and "
        f"{_difference(home, theirs)} Serve pages and service below one domain, with https for both.",
    )


def _difference(home: Site, theirs: Site) -> str:
    if theirs.host == home.host:
        return f"{theirs} and {home} are two sites: http and https are never the same one, whatever the host."
    if is_ip(theirs.host) or is_ip(home.host):
        return f"{theirs.host} and {home.host} are two sites: an IP address is a site of its own."
    if "localhost" in {theirs.host, home.host}:
        return f"{theirs.host} and {home.host} are two sites: localhost is a site of its own."
    suffix = public_suffix_of(theirs.host)
    if is_public_suffix(suffix) and suffix == public_suffix_of(home.host):
        return (
            f"{theirs.host} and {home.host} are two sites: {suffix} is a public suffix, below which each "
            "name is somebody else's."
        )
    return f"{theirs.host} is another site than the issuer's {home.host}."


def cookies(issuer: str, session: timedelta) -> Iterator[Finding]:
    """Whether browsers keep the cookies, where they send them, and for how long."""
    url = urlsplit(issuer)
    if url.scheme == "https":
        yield ok(
            "cookies",
            f"Browsers keep {NAME} and {DEVICE_NAME}, because they come over https, for this host alone: no "
            "other host, no script and no page of another site gets them.",
        )
    elif url.hostname == "localhost":
        yield note(
            "cookies",
            f"Over http://localhost Chrome and Firefox keep {NAME} and {DEVICE_NAME}, which are Secure, and "
            "Safari does not: there everybody is signed out with the first access token. Elsewhere it has "
            "to be https.",
        )
    else:
        yield warning(
            "cookies",
            f"Not every browser keeps {NAME} and {DEVICE_NAME} from {issuer}, since they are Secure: where "
            "it does not, everybody is signed out with the first access token. Use http://localhost, or "
            "https.",
        )
    yield ok(
        "cookies",
        f"The refresh token stays in a browser for {duration(session)} (AUTH_SESSION_TTL); no browser keeps "
        "a cookie for more than 400 days, and no setting asks for more.",
    )
