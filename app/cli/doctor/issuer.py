"""``issuer``: the issuer and the audience that verifiers compare with their own."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from app.cli.doctor.findings import Finding, note, ok, warning
from app.cli.doctor.sites import is_local, origin_of


def check_issuer(address: str, audience: str) -> Iterator[Finding]:
    """Check the values of ``iss`` and ``aud``."""
    url = urlsplit(address)
    if is_local(address):
        yield note(
            "issuer",
            f"Access tokens carry iss {address!r}, which only this machine can reach: verifiers elsewhere "
            "find no key set there. For a deployment, set AUTH_ISSUER to its public https address.",
        )
    else:
        yield ok(
            "issuer",
            f"Access tokens carry iss {address!r}. Verifiers compare it character by character with theirs.",
        )
    if address.endswith("/"):
        yield warning(
            "issuer",
            f"The issuer ends with a slash: a verifier that expects {address.rstrip('/')!r} refuses every "
            "token. Remove the slash from AUTH_ISSUER, or configure every verifier with it.",
        )
    if url.path.strip("/"):
        yield warning(
            "issuer",
            f"The issuer has a path: verifiers request {address.rstrip('/')}/.well-known/…, so the proxy "
            f"must strip {url.path!r} before it forwards a request. Browsers send the cookies to every path "
            f"of {url.hostname}, and so to all other programs there. A separate host name avoids both.",
        )
    written = f"{url.scheme}://{url.netloc}"
    if written != origin_of(address):
        yield warning(
            "issuer",
            f"Browsers and most people write {origin_of(address)} for {written}, and verifiers compare "
            f"character by character. Write {origin_of(address)} in AUTH_ISSUER.",
        )
    yield from _check_audience(address, audience)


def _check_audience(address: str, audience: str) -> Iterator[Finding]:
    if "," in audience or len(audience.split()) != 1:
        yield warning(
            "issuer",
            f"Access tokens carry aud {audience!r} as one string: a verifier that expects one name of it "
            "refuses every token. AUTH_AUDIENCE takes one name.",
        )
    elif audience == address:
        yield ok(
            "issuer",
            "They carry the same aud, as one string. Each verifier must expect exactly this audience.",
        )
    else:
        yield ok(
            "issuer",
            f"They carry aud {audience!r}, as one string. Each verifier must expect exactly this audience.",
        )
