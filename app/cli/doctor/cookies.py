"""``cookies``: whether browsers keep the cookies, and whether a proxy changes them."""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

from app.cli.doctor.client import Answer, NoAnswer
from app.cli.doctor.findings import Finding, duration, note, ok, problem
from app.http.cookies import Cookies

_MEND = "Let the proxy pass Set-Cookie on unchanged."


def check_storage(issuer: str, session: timedelta) -> Iterator[Finding]:
    """Check whether browsers keep the cookies, where they send them, and for how long."""
    cookies = Cookies.of(issuer)
    if cookies.is_secure:
        yield ok(
            "cookies",
            f"Browsers keep {cookies.refresh_token} and {cookies.device}, because they are set over https. "
            "Only this host receives them: other hosts, scripts and pages of other sites do not.",
        )
    else:
        yield note(
            "cookies",
            f"The issuer is on http and on this machine, so its cookies are those of development: "
            f"{cookies.refresh_token} and {cookies.device}, without Secure. Every program of this machine "
            "can receive them. Over https they are __Host- cookies.",
        )
    yield ok(
        "cookies",
        f"The refresh token stays in a browser for {duration(session)} (AUTH_SESSION_TTL). Browsers keep a "
        "cookie for at most 400 days, and no setting asks for more.",
    )


def check_logout(answer: Answer, cookies: Cookies) -> Iterator[Finding]:
    """Check that the cookie which a logout deletes still has the service's attributes behind the proxy."""
    if isinstance(answer, NoAnswer) or answer.status_code != HTTPStatus.NO_CONTENT:
        reason = answer.reason if isinstance(answer, NoAnswer) else str(answer.status_code)
        yield problem(
            "cookies", f"POST /logout was not answered with 204 ({reason}), so users cannot sign out."
        )
        return
    set_cookies = answer.headers.get_list("set-cookie")
    ours = [line for line in set_cookies if line.partition("=")[0].strip() == cookies.refresh_token]
    foreign = [line.partition("=")[0].strip() for line in set_cookies if line not in ours]
    if len(ours) != 1:
        yield problem(
            "cookies",
            f"POST /logout sets {cookies.refresh_token} {len(ours)} times instead of once: the browser keeps "
            f"the refresh token after a logout, or never received it. {_MEND}",
        )
    for line in ours:
        yield from _attributes(line, cookies)
    for name in foreign:
        yield note("cookies", f"Something in front of the service sets a cookie of its own: {name}.")


def _attributes(line: str, cookies: Cookies) -> Iterator[Finding]:
    pairs = [part.strip().partition("=") for part in line.split(";")[1:]]
    has = {name.lower(): value.lower() for name, _, value in pairs}
    lost = (
        "browsers discard such a __Host- cookie"
        if cookies.is_secure
        else "browsers send it to other places than the service asks for"
    )
    faults = {
        f"without Secure: {lost}": cookies.is_secure and "secure" not in has,
        f"with Domain={has.get('domain')}: {lost}": "domain" in has,
        f"with Path={has.get('path')} instead of Path=/: {lost}": has.get("path") != "/",
        "without HttpOnly: a script on a page can read the refresh token": "httponly" not in has,
        "without SameSite=Strict: pages of other sites can send it": has.get("samesite") != "strict",
        "without Max-Age=0: browsers keep it after a logout": has.get("max-age") != "0",
    }
    if not any(faults.values()):
        secure = "Secure, " if cookies.is_secure else ""
        yield ok(
            "cookies",
            f"{cookies.refresh_token} arrives unchanged: {secure}HttpOnly, SameSite=Strict, Path=/, "
            "no Domain.",
        )
    for fault, present in faults.items():
        if present:
            yield problem("cookies", f"{cookies.refresh_token} arrives {fault}. {_MEND}")
