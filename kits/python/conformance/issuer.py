"""An issuer on a real socket that serves metadata, keys and lists, and misbehaves by order."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias

from conformance.minting import SigningKey

KEYS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"
LISTS = "/status"
TOKEN = "/token"
FEED = "/revocations"


class Request(BaseHTTPRequestHandler):
    """One request; each has a connection of its own."""

    server: "_Server"  # type: ignore[mutable-override] # It is always made by this one.

    def do_GET(self) -> None:
        """Answer as ordered."""
        self.server.issuer.answer(self)

    do_POST = do_GET  # noqa: N815 - the name of the standard library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Log nothing."""

    def reply(self, body: bytes, code: int = 200, /, **headers: str) -> None:
        """Answer with these bytes."""
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def form(self) -> str:
        """The body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()


Behaviour: TypeAlias = Callable[[Request], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    issuer: "Issuer"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the standard library
        """A client that left is no news."""


class Issuer:
    """The issuer. ``behaviours`` replaces what a path answers, ``hits`` counts what was asked."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.extra_keys: list[object] = []
        """Other entries of the key set, in front of the keys."""
        self.lists: list[str] = []
        self.hits: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, str], str]] = []
        """Path, headers and body of each request."""
        self.behaviours: dict[str, Behaviour] = {}
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._scheme = "http"
        self._port = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Its identifier."""
        return f"{self._scheme}://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen, on the same port as before; on https when there are certificates."""
        self.ended.clear()
        server = _Server(("127.0.0.1", self._port), Request)
        if tls is not None:
            self._scheme = "https"
            # The handshake is made in the thread of the request.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.issuer = self
        self._port = server.server_port
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Let connections be refused, and end those that hang."""
        self.ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, request: Request) -> None:
        """Answer a request."""
        path = request.path
        with self._lock:
            self.hits[path] += 1
            self.requests.append((path, dict(request.headers), request.form()))
        with suppress(ConnectionError):
            self.behaviours.get(path, self._well)(request)

    def last(self, path: str) -> dict[str, str]:
        """The headers of the last request of this path."""
        return next(headers for asked, headers, _ in reversed(self.requests) if asked == path)

    def _well(self, request: Request) -> None:
        match request.path:
            case path if path == METADATA:
                request.reply(self.metadata(), Content_Type="application/json")
            case path if path == KEYS:
                request.reply(
                    self.key_set(), Content_Type="application/jwk-set+json", Cache_Control="max-age=300"
                )
            case path if path == LISTS:
                request.reply(
                    json.dumps({"status_lists": self.lists}).encode(), Content_Type="application/json"
                )
            case _:
                request.reply(b"", 404)

    def metadata(self, **changes: object) -> bytes:
        """The metadata document (RFC 8414)."""
        document = {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS,
            "token_endpoint": self.url + TOKEN,
            "status_list_aggregation_endpoint": self.url + LISTS,
        }
        return json.dumps(document | changes).encode()

    def key_set(self, keys: Iterable[SigningKey] | None = None) -> bytes:
        """The key set."""
        published = self.keys if keys is None else keys
        return json.dumps({"keys": [*self.extra_keys, *(key.jwk for key in published)]}).encode()


def status(code: int, body: bytes = b"") -> Behaviour:
    """Answer with this status."""
    return lambda request: request.reply(body, code)


def body(content: bytes, **headers: str) -> Behaviour:
    """Answer with this body."""
    return lambda request: request.reply(content, **headers)


def redirect(to: str) -> Behaviour:
    """Send the client elsewhere."""
    return lambda request: request.reply(b"", 302, Location=to)


def hang(request: Request) -> None:
    """Say nothing until the issuer is stopped."""
    request.server.issuer.ended.wait()


def endless(request: Request) -> None:
    """Send spaces for as long as the client reads."""
    request.send_response(200)
    request.end_headers()
    with suppress(OSError):
        while not request.server.issuer.ended.is_set():
            request.wfile.write(b" " * 65_536)
