"""What verifiers do with the tokens: issuer, audience and lifetimes."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from app.cli.doctor.findings import Finding, duration, note, ok, warning
from app.cli.doctor.sites import is_local, origin_of

_USUAL_ACCESS = timedelta(minutes=15)


def issuer(address: str, audience: str) -> Iterator[Finding]:
    """What ``iss`` and ``aud`` are compared with."""
    url = urlsplit(address)
    if is_local(address):
        yield note(
            "issuer",
            f"Access tokens say iss {address!r}, which only this machine can reach: verifiers elsewhere "
            "find no key set there. A deployment has its public https address in AUTH_ISSUER.",
        )
    else:
        yield ok(
            "issuer", f"Access tokens say iss {address!r}; verifiers compare it letter by letter with theirs."
        )
    if address.endswith("/"):
        yield warning(
            "issuer",
            f"It ends with a slash: a verifier that was told {address.rstrip('/')!r} refuses every token. "
            "Take the slash off AUTH_ISSUER, or write it everywhere.",
        )
    if url.path.strip("/"):
        yield warning(
            "issuer",
            f"It has a path: verifiers ask for {address.rstrip('/')}/.well-known/…, so the proxy has to take "
            f"{url.path!r} off before it asks the service; and browsers send the cookies to every path of "
            f"{url.hostname}, so to whatever else is served there. A host name of its own needs neither.",
        )
    written = f"{url.scheme}://{url.netloc}"
    if written != origin_of(address):
        yield warning(
            "issuer",
            f"Browsers and most people write {origin_of(address)} for {written}, and verifiers compare "
            "letter by letter. Write it so in AUTH_ISSUER.",
        )
    yield from _audience(address, audience)


def _audience(address: str, audience: str) -> Iterator[Finding]:
    if "," in audience or len(audience.split()) != 1:
        yield warning(
            "issuer",
            f"Access tokens say aud {audience!r} as one string: a verifier that expects one name of it "
            "refuses every token. AUTH_AUDIENCE takes one name.",
        )
    elif audience == address:
        yield ok(
            "issuer",
            "They say aud the same, as one string; each verifier has to expect exactly this audience.",
        )
    else:
        yield ok(
            "issuer",
            f"They say aud {audience!r}, as one string; each verifier has to expect exactly this audience.",
        )


def lifetimes(access: timedelta, idle: timedelta, absolute: timedelta, grace: timedelta) -> Iterator[Finding]:
    """How long a token is believed, and a session kept."""
    judged = ok if access <= _USUAL_ACCESS else note
    mend = "" if access <= _USUAL_ACCESS else " 15 minutes are usual in AUTH_ACCESS_TOKEN_TTL."
    yield judged(
        "lifetimes",
        f"An access token lives {duration(access)}: for so long after a logout or a theft it is believed by "
        f"services that check it with the key set alone.{mend}",
    )
    if idle > absolute:
        yield warning(
            "lifetimes",
            f"Sessions end after {duration(absolute)} (AUTH_SESSION_TTL), so that they are never idle for "
            f"{duration(idle)} (AUTH_SESSION_IDLE_TTL). Shorten the second, or a forgotten browser stays "
            "signed in to the end.",
        )
    if access > idle:
        yield note(
            "lifetimes",
            f"No access token outlives the idle end of its session: it lives {duration(idle)} "
            "(AUTH_SESSION_IDLE_TTL).",
        )
    if not grace:
        yield note(
            "lifetimes",
            "AUTH_REFRESH_GRACE is 0, which is strict: two tabs that refresh at once, or an answer that is "
            "lost on the way, count as theft and sign the user out.",
        )
