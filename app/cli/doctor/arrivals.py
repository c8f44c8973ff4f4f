"""How answers arrive behind the deployment's proxy: TLS, headers, and the cookie."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

import httpx

from app.cli.doctor.asking import Silence
from app.cli.doctor.findings import Finding, counted, note, ok, problem, warning
from app.http.cookies import NAME

_UNTRUSTED = re.compile(r"certificate verify failed: (.*?)(?: \(_ssl|$)")
_SOON = timedelta(days=14)
# A header, what has to be in it, and what happens without.
_SAFE = (
    ("X-Content-Type-Options", "nosniff", "browsers guess what an answer is, and may run it as a script"),
    ("Referrer-Policy", "no-referrer", "browsers tell other sites which page their visitor comes from"),
    (
        "Content-Security-Policy",
        "frame-ancestors 'none'",
        "any site may show an answer in a frame of its own",
    ),
)
_NO_STORE = ("Cache-Control", "no-store", "a cache on the way may give a refusal to others")
_HSTS = (
    "Strict-Transport-Security",
    "max-age=",
    "a browser that is sent to http:// goes there, where whoever is on the way answers",
)


def unreachable(base: str, silence: Silence) -> Finding:
    """What it means that nothing answers at all."""
    refused = _UNTRUSTED.search(silence.reason)
    if refused is not None:
        return problem(
            "tls",
            f"Browsers refuse the certificate of {base} ({refused[1]}): nobody gets in. Install one for this "
            "name, with its whole chain; --insecure looks at the rest with a test certificate.",
        )
    return problem(
        "tls", f"Nothing answers at {base} ({silence.reason}). Is it running, and is the name right?"
    )


def encryption(base: str, until: datetime | None, *, insecure: bool, now: datetime) -> Finding:
    """Whether browsers take the certificate, which was checked unless ``insecure``, and for how long."""
    if base.startswith("http://"):
        return note("tls", f"{base} reaches this machine only, and nothing is encrypted.")
    if insecure:
        return note(
            "tls",
            "The certificate was not checked (--insecure): a browser may refuse it, and then nobody gets in.",
        )
    if until is not None and until - now < _SOON:
        days = counted(max(0, (until - now).days), "day")
        return warning(
            "tls",
            f"The certificate is good, but ends on {until:%Y-%m-%d}, in {days}; from then on browsers let "
            "nobody in. Renew it.",
        )
    ends = "" if until is None else f"; it ends on {until:%Y-%m-%d}"
    return ok("tls", f"The certificate is trusted and names the host{ends}.")


def plain_http(host: str, answer: httpx.Response | Silence) -> Finding:
    """Whether the http port of the host keeps to itself."""
    if isinstance(answer, Silence):
        return ok("tls", f"http://{host} does not answer.")
    if answer.is_redirect and answer.headers.get("location", "").startswith("https://"):
        return ok("tls", f"http://{host} sends browsers on to https.")
    if answer.is_client_error:
        return ok("tls", f"http://{host} refuses ({answer.status_code}).")
    return problem(
        "tls",
        f"http://{host} answers {answer.status_code} in the clear: whoever is on the way reads passwords "
        "that are sent there. Redirect every request to https, or close port 80.",
    )


def headers(answers: Sequence[tuple[str, httpx.Response]], *, public: bool) -> Iterator[Finding]:
    """Whether each answer still has what the service sets; ``public`` is https with a name of its own."""
    refused = [(asked, answer) for asked, answer in answers if answer.is_error]
    expected = [(answers, *one) for one in _SAFE]
    if public:
        expected.append((answers, *_HSTS))
    expected.append((refused, *_NO_STORE))
    lacking = [_lacking(*one) for one in expected]
    if any(lacking):
        yield from filter(None, lacking)
    else:
        yield ok("headers", f"Answers have {', '.join(name for _, name, _, _ in expected)}.")
    for name in ("Server", "X-Powered-By"):
        told = {answer.headers.get(name, "") for _, answer in answers}
        if any(letter.isdigit() for text in told for letter in text):
            yield note(
                "headers",
                f"{name} tells everybody which version answers ({', '.join(sorted(filter(None, told)))}): "
                "let the proxy leave it out.",
            )


def _lacking(
    answers: Sequence[tuple[str, httpx.Response]], name: str, wanted: str, harm: str
) -> Finding | None:
    bare = [asked for asked, answer in answers if wanted not in answer.headers.get(name, "")]
    if not bare:
        return None
    where = f"{len(bare)} of {len(answers)} answers, such as that to {bare[0]}, lack"
    return warning(
        "headers", f"{where} {name} ({wanted}): {harm}. Let the proxy pass on what the service sets."
    )


def cookie(answer: httpx.Response | Silence) -> Iterator[Finding]:
    """Whether the cookie that a logout takes away is, after the proxy, still the one that was given."""
    if isinstance(answer, Silence) or answer.status_code != HTTPStatus.NO_CONTENT:
        came = answer.reason if isinstance(answer, Silence) else str(answer.status_code)
        yield problem(
            "cookies", f"POST /logout was not answered with 204 ({came}), so that nobody can sign out."
        )
        return
    set_cookies = answer.headers.get_list("set-cookie")
    ours = [line for line in set_cookies if line.partition("=")[0].strip() == NAME]
    foreign = [line.partition("=")[0].strip() for line in set_cookies if line not in ours]
    if len(ours) != 1:
        yield problem(
            "cookies",
            f"POST /logout sets {NAME} {len(ours)} times and not once: the browser of whoever signs out "
            "keeps the refresh token, or never got it. Let the proxy pass Set-Cookie on as it is.",
        )
    for line in ours:
        yield from _attributes(line)
    for name in foreign:
        yield note("cookies", f"Something in front of the service sets a cookie of its own: {name}.")


def _attributes(line: str) -> Iterator[Finding]:
    pairs = [part.strip().partition("=") for part in line.split(";")[1:]]
    has = {name.lower(): value.lower() for name, _, value in pairs}
    lost = "browsers throw a __Host- cookie away"
    wrong = {
        f"without Secure: {lost}": "secure" not in has,
        f"with Domain={has.get('domain')}: {lost}": "domain" in has,
        f"with Path={has.get('path')} and not Path=/: {lost}": has.get("path") != "/",
        "without HttpOnly: a script on a page can read the refresh token": "httponly" not in has,
        "without SameSite=Strict: pages of other sites can send it": has.get("samesite") != "strict",
        "without Max-Age=0: browsers keep it after a logout": has.get("max-age") != "0",
    }
    if not any(wrong.values()):
        yield ok(
            "cookies", f"{NAME} arrives as it was set: Secure, HttpOnly, SameSite=Strict, Path=/, no Domain."
        )
    for what, is_so in wrong.items():
        if is_so:
            yield problem("cookies", f"{NAME} arrives {what}. Let the proxy pass Set-Cookie on as it is.")
