"""Requests of many kinds, as bytes: ordinary ones, odd ones and hostile ones."""

from collections.abc import Iterator
from itertools import product

from tests.support.people import COOKIE, DEVICE

APP, NATIVE, FOREIGN = "https://app.example.com", "capacitor://localhost", "https://evil.example.net"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND")
ROUTES = {
    "/login": "POST",
    "/refresh": "POST",
    "/logout": "POST",
    "/logout/all": "POST",
    "/password": "POST",
    "/token": "POST",
    "/revoke": "POST",
    "/introspect": "POST",
    "/me": "GET",
    "/revocations": "GET",
    "/me/activity": "GET",
    "/verify": "GET",
    "/sessions": "GET",
    "/status": "GET",
    "/livez": "GET",
    "/readyz": "GET",
    "/.well-known/jwks.json": "GET",
    "/.well-known/openid-configuration": "GET",
    "/.well-known/oauth-authorization-server": "GET",
}
ODD_PATHS = (
    *(
        "/",
        "//",
        "/nowhere",
        "/openapi.json",
        "/sessions/0",
        "/docs",
        "/.well-known/nowhere",
        "/.well-known/",
    ),
    *(
        "/login/",
        "//login",
        "/LOGIN",
        "/%6cogin",
        "/login%0A",
        "/login%00",
        "/login%2F",
        "/logi%C3%B1",
        "/%ff",
    ),
    *("/login?next=/me", "/login;a=b", "/login#a", "/./login", "/a/../login", "/me%20", "/%2e%2e/me"),
    *("/auth", "/auth/", "/auth/me", "/auth/auth/me", "/authme", "/%61uth/me", "/auth/.well-known/jwks.json"),
    *("/me/activity?before=x", "/me/activity?before=", "/me/activity?before=a&before=b", "/me?%ff=%00"),
)
_ASKS = "Access-Control-Request"
HEADERS = (
    "",
    f"Origin: {APP}\r\n",
    f"Origin: {NATIVE}\r\n",
    f"Origin: {FOREIGN}\r\nCookie: {COOKIE}=x\r\n",
    "Origin: null\r\n",
    f"Origin: {APP}\r\nOrigin: {FOREIGN}\r\n",
    f"Origin: {NATIVE}\r\nOrigin: {NATIVE}\r\n",
    "Origin: \r\n",
    "Origin: \xe9\xff\r\n",
    f"Origin: {APP}\r\n{_ASKS}-Method: POST\r\n{_ASKS}-Headers: X-A, content-type\r\n",
    f"Origin: {APP}\r\n{_ASKS}-Method: PUT\r\n",
    f"Origin: {FOREIGN}\r\n{_ASKS}-Method: GET\r\n{_ASKS}-Private-Network: true\r\n",
    f"Origin: {NATIVE}\r\n{_ASKS}-Method: DELETE\r\n{_ASKS}-Headers: \r\n",
    f"Sec-Fetch-Site: same-site\r\nOrigin: {APP}\r\nCookie: {COOKIE}=wwr_x\r\n",
    f"Sec-Fetch-Site: cross-site\r\nCookie: {COOKIE}=wwr_x\r\n",
    f"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\nCookie: {COOKIE}=wwr_x\r\n",
    f"Cookie: {COOKIE}=wwr_x; {COOKIE}=wwr_y\r\n",
    f"Cookie: {COOKIE}=wwr_x\r\nCookie: theme=dark; {DEVICE}=wwd_x; ;=;a\r\n",
    "Cookie: \xa0" + f"{COOKIE}=planted\r\n",
    "Authorization: Bearer {access 0}\r\n",
    "authorization: bearer {access 0}\r\n",
    "Authorization: Bearer {access 0}\r\nAuthorization: Bearer {access 0}\r\n",
    "Authorization: Bearer \r\n",
    "Authorization: Bearer eyJ.eyJ.x\r\n",
    "Authorization: Basic YTpi\r\n",
    "X-Request-ID: chosen-1.A_b\r\n",
    "X-Request-ID: first\r\nX-Request-ID: second\r\n",
    "X-Request-ID: not {well} formed\r\n",
    "X-Request-ID: \xe9\r\n",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
    "traceparent: 00-" + "0" * 32 + "-00f067aa0ba902b7-01\r\n",
    "If-None-Match: *\r\n",
    'If-None-Match: "a", W/"b"\r\nIf-None-Match: "c"\r\n',
    "Idempotency-Key: short\r\n",
    'Idempotency-Key: "0123456789abcdef"\r\nIdempotency-Key: 0123456789abcdef\r\n',
    "User-Agent: Mozilla/5.0 \x80\x9b31m (X11)\r\n",
    "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-HTTP-Method-Override: DELETE\r\n",
    "Accept: text/html\r\nAccept-Encoding: br\r\nConnection: close, x\r\n",
    "X-Long: " + "x" * 16_000 + "\r\n",
    f"Origin: {APP}\r\nX-Long: " + "x" * 17_000 + "\r\n",
    "a:b\r\n" * 600,
)
JSON = "Content-Type: application/json\r\n"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
BODIES = (
    ("", b""),
    (JSON, b""),
    (JSON, b"{}"),
    (JSON, b" null\n"),
    (JSON, b"[]"),
    (JSON, b'""'),
    (JSON, b"{"),
    (JSON, b'{"refresh_token":"wwr_x"}'),
    (JSON, b'{"refresh_token":"wwr_x","refresh_token":1}'),
    (JSON, b'{"refresh_token":null,"a":1}'),
    (JSON, b'{"email":"nobody@example.com","password":"x"}'),
    (JSON, b'{"email":"nobody@example.com","password":"x","client":"native","device_token":""}'),
    (JSON, b'{"email":"nowhere","password":["secret"],"client":"x","s3cret":1,"not a name":2}'),
    (JSON, b'{"current_password":"a","new_password":"b"}'),
    (JSON, b'{"email":"\\ud800@example.com","password":"\\u0000"}'),
    (JSON, b'{"email":"\xff","password":"\xfe"}'),
    (JSON, b"\xef\xbb\xbf{}"),
    (JSON, b"[" * 5_000),
    (JSON, b'{"refresh_token":"' + b"x" * 16_500 + b'"}'),
    ("content-type: Application/JSON ; charset=latin-1\r\n", b'{"refresh_token":"wwr_x"}'),
    ("Content-Type: application/problem+json\r\n", b'{"refresh_token":"wwr_x"}'),
    (FORM, b"refresh_token=wwr_x"),
    (FORM, b"grant_type=client_credentials&client_id=a&client_secret=b"),
    (FORM + "Authorization: Basic YTpi\r\n", b"grant_type=client_credentials&scope=%ff"),
    (FORM + "Authorization: Basic YTpi\r\n", b"token=x&token_type_hint=access_token"),
    ("Content-Type: text/plain\r\n", b"{}"),
    ("", b'{"refresh_token":"wwr_x"}'),
    (JSON + JSON, b"{}"),
)


def request(method: str, path: str, headers: str = "", body: bytes | None = None) -> tuple[bytes, ...]:
    """A request on a connection of its own."""
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}{length}\r\n"
    return (head.encode("latin-1") + (body or b""),)


def corpus() -> Iterator[tuple[bytes, ...]]:
    """Every path with every method, and every route with all headers and with all bodies."""
    for method, path in product(METHODS, (*ROUTES, *ODD_PATHS)):
        yield request(method, path)
    for (path, method), headers in product(ROUTES.items(), HEADERS):
        yield request(method, path, headers)
        yield request("OPTIONS", path, headers)
    for (path, method), (headers, body) in product(ROUTES.items(), BODIES):
        if method == "POST" or body == b"{}":
            yield request(method, path, headers, body)
            yield request(method, path, f"{headers}Cookie: {COOKIE}=wwr_x\r\nOrigin: {APP}\r\n", body)


def with_tokens() -> Iterator[tuple[bytes, ...]]:
    """Requests that sign in, or have tokens of living sessions; each token is used in its turn."""
    bearer, used = "Authorization: Bearer {access 0}\r\n", b'{"refresh_token":"{refresh 0}"}'
    yield request(
        "POST", "/login", JSON, b'{"email":"{email 0}","password":"{password 0}","client":"native"}'
    )
    yield request("POST", "/login", JSON, b'{"email":"{email 0}","password":"{password 0}"}')
    yield request("POST", "/login", JSON, b'{"email":"{email 0}","password":"wrong"}')
    for path in ("/me", "/sessions", "/me/activity", "/auth/me"):
        yield request("GET", path, bearer)
        yield request("HEAD", path, bearer)
    yield request("DELETE", "/sessions/{session 0}", bearer)
    yield request("DELETE", "/sessions/{session 0}", bearer)
    yield request("POST", "/refresh", JSON, used)
    yield request("POST", "/refresh", JSON, used)
    yield request(
        "POST", "/refresh", f"Cookie: {COOKIE}={{cookie 0}}\r\nIdempotency-Key: 0123456789abcdef\r\n", b""
    )
    yield request("POST", "/refresh", f"{JSON}Cookie: {COOKIE}={{cookie 0}}\r\n", used)
    yield request("POST", "/refresh", f"Cookie: {COOKIE}={{refresh 1}}\r\n", b"")
    yield request("POST", "/logout", JSON, b'{"refresh_token":"{refresh 1}"}')
    yield request("POST", "/logout", f"Cookie: {COOKIE}={{cookie 0}}\r\nSec-Fetch-Site: same-origin\r\n")
    yield request("POST", "/refresh", f"Cookie: {COOKIE}={{cookie 0}}\r\n")
    yield request("POST", "/logout", bearer)
    yield request("GET", "/me", bearer)
    yield request("POST", "/logout/all", JSON, b'{"refresh_token":"{refresh 2}"}')
    yield request("POST", "/logout/all", JSON, b'{"refresh_token":"{refresh 2}"}')


def malformed() -> Iterator[tuple[bytes, ...]]:
    """What is no request, or one that arrives in pieces or not as announced."""
    head = (
        b"POST /logout HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    )
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    yield (b"nonsense\r\n\r\n",)
    yield (b"GET /me HTTP/1.1\r\n\r\n",)
    yield (b"GET /me HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",)
    yield (b"GET /me HTTP/1.0\r\n\r\n",)
    yield (b"GET http://localhost/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",)
    yield (b"GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",)
    yield (chunked + b"2\r\n{}\r\n0\r\n\r\n",)
    yield (chunked, b"1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n")
    yield (chunked, b"zz\r\n")
    yield (chunked + 6 * (b"1000\r\n" + b"x" * 4096 + b"\r\n") + b"0\r\n\r\n",)
    yield (head + b"Content-Length: 2\r\n\r\n", b"{", b"}")
    yield (head + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"{}")
