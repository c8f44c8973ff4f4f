"""Proxies that ask ``/verify``, configured as the guide shows, and an application behind them."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from tests.support.processes import PATIENCE
from tests.support.servers import NO_TLS, ROOT, free_port
from tests.support.waiting import eventually

PAGE = (ROOT / "docs/guides/forward-auth.md").read_text()
HOST = "api.example.com"
CERTAIN = ("nginx", "caddy")
"""These are Debian packages. The others are run where they are installed."""
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {shown}
}}
"""


def program(name: str) -> str | None:
    """The path of a proxy's program, or None when there is none."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def shown(title: str) -> str:
    """The configuration below this heading of the guide."""
    section = PAGE.lower().index(f"\n## {title}\n")
    (configuration, *_) = re.findall(r"^```\w+\n(.*?)^```$", PAGE[section:], re.MULTILINE | re.DOTALL)
    return str(configuration)


def _command(name: str, configuration: str, folder: Path, port: int) -> list[str]:
    """The arguments that run a proxy with this configuration, in the foreground and with this port alone."""
    file = folder / f"{name}.{'yaml' if name in {'traefik', 'envoy'} else 'conf'}"
    file.write_text(configuration)
    if name == "nginx":
        file.write_text(_NGINX.format(folder=folder, shown=configuration))
        return ["-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]
    if name == "caddy":
        # The guide's site has https, which is not the subject here.
        site = configuration.replace(f"{HOST} {{", f"http://{HOST}:{port} {{\n\tbind 127.0.0.1", 1)
        file.write_text(f"{{\n\tadmin off\n}}\n{site}")
        return ["run", "--adapter", "caddyfile", "--config", str(file)]
    if name == "traefik":
        entry = f"--entryPoints.web.address=127.0.0.1:{port}"
        return [entry, f"--providers.file.filename={file}", "--global.checkNewVersion=false"]
    return ["--config-path", str(file), "--use-dynamic-base-id", "--concurrency", "1"]


@dataclass
class Seen:
    """A request as the application saw it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def identity(self) -> dict[str, str]:
        """Its headers by which a server of any kind finds an identity, as CGI names them; no empty ones."""
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            if value and re.match(r"x[^a-z]auth", name.lower()):
                found.setdefault(re.sub(r"[^A-Z]", "_", name.upper()), []).append(value)
        return {name: "|".join(values) for name, values in found.items()}


@dataclass
class Application:
    """An application that believes its proxy, and keeps what it sees."""

    port: int
    seen: list[Seen] = field(default_factory=list)


@contextmanager
def application() -> Iterator[Application]:
    """An application on a port of its own, which answers 200 to everything."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            kept.seen.append(Seen(self.requestline, self.headers.items(), self._body()))
            answer = json.dumps(kept.seen[-1].identity).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        kept = Application(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield kept
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def guarded(name: str, watchword: int, behind: Application, folder: Path) -> Iterator[httpx2.AsyncClient]:
    """A client of the application behind this proxy, which asks the service at the port ``watchword``."""
    found, port = program(name), free_port()
    assert found, f"run: apt-get install {name}"
    ports = {"8000": watchword, "8080": port, "9000": behind.port}
    configuration = re.sub(r"\b(8000|8080|9000)\b", lambda match: str(ports[match[0]]), shown(name))
    command = [found, *_command(name, configuration, folder, port)]
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    given: dict[str, Any] = {
        "base_url": f"http://127.0.0.1:{port}",
        "headers": {"Host": HOST},
        "trust_env": False,
        "verify": NO_TLS,
        "timeout": PATIENCE,
    }

    def asks() -> bool:
        assert process.poll() is None, (folder / f"{name}.log").read_text()
        with suppress(httpx2.TransportError), httpx2.Client(**given) as client:
            return client.get("/").status_code == httpx2.codes.UNAUTHORIZED
        return False

    try:
        eventually(asks)
        yield httpx2.AsyncClient(**given)
    finally:
        process.terminate()
        process.wait(PATIENCE)
