"""What proxies do wrong, and what ``check-config`` has to say of it."""

import json
from collections.abc import Callable
from typing import Any

from tests.proxies import Answer, Fault

COOKIE = "__Host-refresh_token"


def on(asked: str, change: Callable[[Answer], None]) -> Fault:
    """A fault in the answers to one request."""
    return Fault(to_answer=lambda answer: change(answer) if answer.asked == asked else None)


def everywhere(change: Callable[[Answer], None]) -> Fault:
    return Fault(to_answer=change)


def cookie(old: str, new: str) -> Fault:
    return on("POST /logout", lambda answer: answer.replace("set-cookie", old, new))


def page(status: int) -> Callable[[Answer], None]:
    """What a proxy shows in the service's place."""

    def change(answer: Answer) -> None:
        answer.status, answer.body = status, b"<h1>oops</h1>"
        answer.set("content-type", "text/html")

    return change


def keys(change: Callable[[list[dict[str, str]]], object]) -> Fault:
    def meddle(answer: Answer) -> None:
        document: dict[str, Any] = json.loads(answer.body)
        change(document["keys"])
        answer.body = json.dumps(document).encode()

    return on("GET /.well-known/jwks.json", meddle)


def cut(answer: Answer) -> None:
    if answer.status == 413:
        raise ConnectionResetError


def reflecting(answer: Answer) -> None:
    answer.set("access-control-allow-origin", "https://attacker.example")


def open_to_all(answer: Answer) -> None:
    if not answer.asked.startswith("GET /.well-known/"):
        answer.set("access-control-allow-origin", "*")


FAULTS = {
    "strips HttpOnly": (cookie("; HttpOnly", ""), "problem cookies", "without HttpOnly: a script"),
    "strips Secure": (cookie("; Secure", ""), "problem cookies", "without Secure: browsers throw"),
    "weakens SameSite": (cookie("Strict", "Lax"), "problem cookies", "without SameSite=Strict"),
    "adds a Domain": (
        cookie("Path=/", "Path=/; Domain=localhost"),
        "problem cookies",
        "with Domain=localhost",
    ),
    "moves the path": (cookie("Path=/", "Path=/auth"), "problem cookies", "with Path=/auth and not"),
    "keeps a cookie alive": (cookie("Max-Age=0", "Max-Age=60"), "problem cookies", "without Max-Age=0"),
    "renames the cookie": (cookie("__Host-", ""), "problem cookies", f"sets {COOKIE} 0 times"),
    "doubles the cookie": (
        on("POST /logout", lambda answer: answer.headers.append(("Set-Cookie", f"{COOKIE}=x; Path=/"))),
        "problem cookies",
        f"sets {COOKIE} 2 times",
    ),
    "sets a cookie of its own": (
        on("POST /logout", lambda answer: answer.headers.append(("Set-Cookie", "balancer=7; Path=/"))),
        "note cookies",
        "a cookie of its own: balancer",
    ),
    "blocks the logout": (on("POST /logout", page(403)), "problem cookies", "not answered with 204 (403)"),
    "reflects any origin": (everywhere(reflecting), "problem cors", "allows https://attacker.example"),
    "allows every origin": (everywhere(open_to_all), "warning cors", "allows *, whoever asks"),
    "loses Sec-Fetch-Site": (
        Fault(to_request=lambda headers: headers.pop("sec-fetch-site", None)),
        "problem cross-site",
        "and not 403: Sec-Fetch-Site is lost",
    ),
    "tells its version": (
        everywhere(lambda answer: answer.set("server", "proxy/1.2.3")),
        "note headers",
        "Server tells everybody which version answers (proxy/1.2.3)",
    ),
    "drops nosniff": (
        everywhere(lambda answer: answer.set("x-content-type-options", None)),
        "warning headers",
        "lack X-Content-Type-Options (nosniff)",
    ),
    "lets itself be framed": (
        on("GET /livez", lambda answer: answer.set("content-security-policy", "default-src 'none'")),
        "warning headers",
        "such as that to GET /livez, lack Content-Security-Policy",
    ),
    "lets refusals be kept": (
        everywhere(lambda answer: answer.set("cache-control", "max-age=60")),
        "warning headers",
        "lack Cache-Control (no-store)",
    ),
    "publishes a private member": (
        keys(lambda found: found[0].update(d="secret")),
        "problem keys",
        "publishes private members (d)",
    ),
    "serves one key": (keys(lambda found: found.pop()), "warning keys", "has 1 of at least two keys"),
    "serves a key without alg": (
        keys(lambda found: found[1].pop("alg")),
        "problem keys",
        "lacks kty, use, alg or kid",
    ),
    "drops validators": (
        on("GET /.well-known/jwks.json", lambda answer: answer.set("etag", None)),
        "note keys",
        "comes without ETag",
    ),
    "routes no well-known path": (
        everywhere(lambda answer: page(404)(answer) if "well-known" in answer.asked else None),
        "problem discovery",
        "/.well-known/openid-configuration is not there (404, text/html)",
    ),
    "shows pages for errors": (
        everywhere(lambda answer: page(answer.status)(answer) if answer.status >= 400 else None),
        "warning errors",
        "An unknown path: something in front of the service refuses in its place (404, text/html)",
    ),
    "cuts connections of large bodies": (
        everywhere(cut),
        "problem errors",
        "A body of 20 KiB: no answer came",
    ),
    "takes forms for JSON": (
        Fault(to_request=lambda headers: headers.update({"content-type": "application/json"})),
        "problem errors",
        "A login by a form: 422 came and not 415",
    ),
    "hides readiness": (
        on("GET /readyz", page(200)),
        "problem health",
        "/readyz is not answered by the service",
    ),
    "has something else at /livez": (on("GET /livez", page(200)), "problem health", "/livez is not answered"),
    "is itself down": (everywhere(page(502)), "problem health", "(502, text/html)"),
}
