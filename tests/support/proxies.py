"""A proxy in front of a service, which does to requests and answers what it is told."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.processes import PATIENCE

_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date"}


@dataclass
class Answer:
    """An answer on its way back; ``asked`` is the request in words, such as ``GET /livez``."""

    asked: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def set(self, name: str, value: str | None) -> None:
        """Replace a header, or take it away."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a part of a header's value."""
        self.headers = [
            (known, value.replace(old, new) if known.lower() == name.lower() else value)
            for known, value in self.headers
        ]


@dataclass
class Fault:
    """What a proxy does wrong: to the headers of a request (lower case), and to an answer.

    An answer for which ConnectionResetError is raised never arrives.
    """

    to_request: Callable[[dict[str, str]], object] = lambda _: None
    to_answer: Callable[[Answer], object] = lambda _: None


@dataclass
class Proxy:
    """Listens before there is a service, so that this can be told its public address."""

    port: int
    scheme: str = "http"
    upstream: int = 0
    fault: Fault = field(default_factory=Fault)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"


class _Server(ThreadingHTTPServer):
    proxy: Proxy

    def handle_error(self, *_: object) -> None:
        """Whoever does not trust the certificate hangs up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _pass_on(self) -> None:
        assert isinstance(self.server, _Server)
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        proxy.fault.to_request(headers)
        connection = HTTPConnection("127.0.0.1", proxy.upstream, timeout=PATIENCE)
        passed = {name: value for name, value in headers.items() if name not in _OF_ONE_HOP}
        connection.request(self.command, self.path, body or None, passed)
        heard = connection.getresponse()
        kept = [(name, value) for name, value in heard.getheaders() if name.lower() not in _OF_ONE_HOP]
        answer = Answer(f"{self.command} {self.path}", heard.status, kept, heard.read())
        connection.close()
        try:
            proxy.fault.to_answer(answer)
        except ConnectionResetError:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_OPTIONS = _pass_on  # noqa: N815 - as the base class calls them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def proxy(tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.proxy = Proxy(server.server_address[1], "https" if tls else "http")
        if tls:
            # Each connection shakes hands in its own thread.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()


def self_signed(folder: Path, *, ends_in: timedelta = timedelta(days=90)) -> Path:
    """A certificate of ``localhost`` that nobody vouches for, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + ends_in)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "localhost.pem"
    file.write_bytes(
        certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return file


def speaking_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


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


def doubling(answer: Answer) -> None:
    answer.headers += [pair for pair in answer.headers if pair[0].lower() == "set-cookie"]


def open_to_all(answer: Answer) -> None:
    if not answer.asked.startswith("GET /.well-known/"):
        answer.set("access-control-allow-origin", "*")


FAULTS = {
    "strips HttpOnly": (cookie("; HttpOnly", ""), "problem cookies", "without HttpOnly: a script"),
    "weakens SameSite": (cookie("Strict", "Lax"), "problem cookies", "without SameSite=Strict"),
    "adds a Domain": (
        cookie("Path=/", "Path=/; Domain=localhost"),
        "problem cookies",
        "with Domain=localhost",
    ),
    "moves the path": (cookie("Path=/", "Path=/auth"), "problem cookies", "with Path=/auth instead of"),
    "keeps a cookie alive": (cookie("Max-Age=0", "Max-Age=60"), "problem cookies", "without Max-Age=0"),
    "renames the cookie": (cookie("refresh_token", "token"), "problem cookies", "0 times instead of once"),
    "doubles the cookie": (on("POST /logout", doubling), "problem cookies", "2 times instead of once"),
    "sets a cookie of its own": (
        on("POST /logout", lambda answer: answer.headers.append(("Set-Cookie", "balancer=7; Path=/"))),
        "note cookies",
        "a cookie of its own: balancer",
    ),
    "blocks the logout": (on("POST /logout", page(403)), "problem cookies", "not answered with 204 (403)"),
    "reflects any origin": (everywhere(reflecting), "problem cors", "allows https://attacker.example"),
    "allows every origin": (everywhere(open_to_all), "warning cors", "allows *, whichever origin asks"),
    "loses Sec-Fetch-Site": (
        Fault(to_request=lambda headers: headers.pop("sec-fetch-site", None)),
        "problem cross-site",
        "instead of 403: Sec-Fetch-Site does not arrive",
    ),
    "tells its version": (
        everywhere(lambda answer: answer.set("server", "proxy/1.2.3")),
        "note headers",
        "Server reveals the version of a program (proxy/1.2.3)",
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
    "serves one key": (keys(lambda found: found.pop()), "warning keys", "has 1 key instead of at least two"),
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
        "/.well-known/openid-configuration is missing (404, text/html)",
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
        "A login by a form: 422 came instead of 415",
    ),
    "hides readiness": (
        on("GET /readyz", page(200)),
        "problem health",
        "/readyz is not answered by the service",
    ),
    "has something else at /livez": (on("GET /livez", page(200)), "problem health", "/livez is not answered"),
    "is itself down": (everywhere(page(502)), "problem health", "(502, text/html)"),
}
