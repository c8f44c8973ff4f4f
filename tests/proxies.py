"""A proxy in front of a service, which does to requests and answers what it is told."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
        connection = HTTPConnection("127.0.0.1", proxy.upstream, timeout=10)
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
