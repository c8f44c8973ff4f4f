"""``cookies``: whether browsers keep the cookies, and whether a proxy changes them."""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from app.cli.doctor.client import Answer, NoAnswer
from app.cli.doctor.findings import Finding, duration, note, ok, problem, warning
from app.http.cookies import DEVICE_NAME, NAME

_MEND = "Let the proxy pass Set-Cookie on unchanged."


def check_storage(issuer: str, session: timedelta) -> Iterator[Finding]:
    """Check whether browsers keep the cookies, where they send them, and for how long."""
    url = urlsplit(issuer)
    if url.scheme == "https":
        yield ok(
            "cookies",
            f"Browsers keep {NAME} and {DEVICE_NAME}, because they are set over https. Only this host "
            "receives them: other hosts, scripts and pages of other sites do not.",
        )
    elif url.hostname == "localhost":
        yield note(
            "cookies",
            f"Over http://localhost, Chrome and Firefox keep {NAME} and {DEVICE_NAME}, which are Secure. "
            "Safari does not: its users are signed out when the first access token expires. Any other host "
            "needs https.",
        )
    else:
        yield warning(
            "cookies",
            f"{NAME} and {DEVICE_NAME} are Secure, so some browsers do not keep them from {issuer}. Their "
            "users are signed out when the first access token expires. Use http://localhost, or https.",
        )
    yield ok(
        "cookies",
        f"The refresh token stays in a browser for {duration(session)} (AUTH_SESSION_TTL). Browsers keep a "
        "cookie for at most 400 days, and no setting asks for more.",
    )


def check_logout(answer: Answer) -> Iterator[Finding]:
    """Check that the cookie which a logout deletes still has the service's attributes behind the proxy."""
    if isinstance(answer, NoAnswer) or answer.status_code != HTTPStatus.NO_CONTENT:
        reason = answer.reason if isinstance(answer, NoAnswer) else str(answer.status_code)
        yield problem(
            "cookies", f"POST /logout was not answered with 204 ({reason}), so users cannot sign out."
        )
        return
    set_cookies = answer.headers.get_list("set-cookie")
    ours = [line for line in set_cookies if line.partition("=")[0].strip() == NAME]
    foreign = [line.partition("=")[0].strip() for line in set_cookies if line not in ours]
    if len(ours) != 1:
        yield problem(
            "cookies",
            f"POST /logout sets {NAME} {len(ours)} times instead of once: the browser keeps the refresh "
            f"token after a logout, or never received it. {_MEND}",
        )
    for line in ours:
        yield from _attributes(line)
    for name in foreign:
        yield note("cookies", f"Something in front of the service sets a cookie of its own: {name}.")


def _attributes(line: str) -> Iterator[Finding]:
    pairs = [part.strip().partition("=") for part in line.split(";")[1:]]
    has = {name.lower(): value.lower() for name, _, value in pairs}
    lost = "browsers discard such a __Host- cookie"
    faults = {
        f"without Secure: {lost}": "secure" not in has,
        f"with Domain={has.get('domain')}: {lost}": "domain" in has,
        f"with Path={has.get('path')} instead of Path=/: {lost}": has.get("path") != "/",
        "without HttpOnly: a script on a page can read the refresh token": "httponly" not in has,
        "without SameSite=Strict: pages of other sites can send it": has.get("samesite") != "strict",
        "without Max-Age=0: browsers keep it after a logout": has.get("max-age") != "0",
    }
    if not any(faults.values()):
        yield ok(
            "cookies", f"{NAME} arrives unchanged: Secure, HttpOnly, SameSite=Strict, Path=/, no Domain."
        )
    for fault, present in faults.items():
        if present:
            yield problem("cookies", f"{NAME} arrives {fault}. {_MEND}")
