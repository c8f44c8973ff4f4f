"""The peers: how each is set up, started and used."""

import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson
from sqlalchemy import make_url

from bench.client import HEADERS, bearing, get, post
from bench.installs import install
from bench.processes import ROOT, server_core, started
from bench.seeds import PASSWORD
from bench.systems import Servers, System
from bench.traffic import Rotating, Single, Traffic, repeated
from tests.support.servers import free_port, process_environment

SECRET = "a secret for the peers of the benchmark only"
PEOPLE = 400
"""Accounts of each peer. Each has one session to begin with."""
Held = Mapping[str, Sequence[str]]
"""What the clients of a peer hold: the addresses of accounts, and tokens."""
_SOURCES = Path(__file__).parent / "apps"


class Peer(NamedTuple):
    """A peer: its name, the commands with which it is set up and served, and its requests."""

    name: str
    setup: Callable[[Path], list[str]]
    serve: Callable[[Path, int], list[str]]
    traffic: Callable[[Held], dict[str, Traffic]]
    ready: str


def _better_auth(held: Held) -> dict[str, Traffic]:
    """A session is a cookie; ``/token`` answers a JWT for it, which is the nearest to a refresh."""
    origin = "Origin: http://localhost\r\n"
    cookies = [f"Cookie: {cookie}\r\n" for cookie in held["tokens"]]
    kept, ended = cookies[: len(cookies) // 4], cookies[len(cookies) // 4 :]
    login = (
        post("/api/auth/sign-in/email", {"email": email, "password": PASSWORD}, origin)
        for email in held["emails"]
    )
    return {
        "login": repeated(login),
        "refresh": repeated(get("/api/auth/token", cookie) for cookie in kept),
        "me": repeated(get("/api/auth/get-session", cookie) for cookie in kept),
        "logout": Single(deque(post("/api/auth/sign-out", {}, origin + cookie) for cookie in ended), 200),
        "jwks": repeated([get("/api/auth/jwks")]),
    }


def _simplejwt(held: Held) -> dict[str, Traffic]:
    """Refresh tokens rotate; a logout puts one on the blacklist. There is no key set."""
    tokens = held["tokens"]
    rotating, ended = tokens[: len(tokens) // 4], tokens[len(tokens) // 4 :]
    login = (post("/api/token/", {"username": email, "password": PASSWORD}) for email in held["emails"])
    return {
        "login": repeated(login),
        "refresh": Rotating("/api/token/refresh/", "refresh", deque(rotating)),
        "me": repeated(get("/api/me/", bearing(token)) for token in held["access"]),
        "logout": Single(deque(post("/api/token/blacklist/", {"refresh": token}) for token in ended), 200),
    }


def _fastapi_users(held: Held) -> dict[str, Traffic]:
    """Nothing is kept of a token: there is no refresh, and a logout ends nothing."""
    return {
        "login": repeated(map(_form, held["emails"])),
        "me": repeated(get("/users/me", bearing(token)) for token in held["access"]),
        "logout": repeated((post("/auth/jwt/logout", None, bearing(token)) for token in held["access"]), 204),
    }


def _form(email: str) -> bytes:
    body = f"username={email}&password={PASSWORD.replace(' ', '+')}".encode()
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    head = f"POST /auth/jwt/login HTTP/1.1\r\n{HEADERS}{kind}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _node(folder: Path) -> list[str]:
    # Node looks for packages beside the file.
    script = Path(shutil.copy(_SOURCES / "better_auth.mjs", folder))
    return [shutil.which("node") or "node", str(script)]


def _python(folder: Path) -> str:
    return str(folder / "bin" / "python")


PEERS = (
    Peer(
        "better-auth",
        _node,
        lambda folder, port: [*_node(folder), str(port)],
        _better_auth,
        "/api/auth/jwks",
    ),
    Peer(
        "simplejwt",
        lambda folder: [_python(folder), str(_SOURCES / "simplejwt.py")],
        lambda folder, port: [
            *(_python(folder), "-m", "gunicorn", "--chdir", str(_SOURCES), "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--threads", "4", "--keep-alive", "75", "simplejwt"),
        ],
        _simplejwt,
        "/api/me/",
    ),
    Peer(
        "fastapi-users",
        lambda folder: [_python(folder), str(_SOURCES / "fastapi_users_app.py")],
        lambda folder, port: [
            *(_python(folder), "-m", "uvicorn", "--app-dir", str(_SOURCES), "--port", str(port)),
            *("--no-access-log", "--timeout-keep-alive", "75", "fastapi_users_app:app"),
        ],
        _fastapi_users,
        "/users/me",
    ),
)


@contextmanager
def running(peer: Peer, folder: Path, servers: Servers) -> Iterator[tuple[System, dict[str, Traffic]]]:
    """Set a peer up in a database of its own and start it on the server's core; wait until it serves."""
    database = peer.name.replace("-", "_")
    environment = _environment(peer, servers, database)
    done = subprocess.run(  # noqa: S603 - programs of ours
        [*peer.setup(folder), "setup", str(PEOPLE)],
        env=process_environment(environment),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    traffic, port, log = peer.traffic(orjson.loads(done.stdout)), free_port(), servers.log(database)
    with started(peer.serve(folder, port), environment, server_core(), log) as process:
        system = System(peer.name, port, process, servers.postgres, database)
        system.wait(log, peer.ready)
        yield system, traffic


def _environment(peer: Peer, servers: Servers, database: str) -> dict[str, str]:
    url = make_url(servers.database_url(database))
    host = str(url.query["host"])
    # node-postgres takes the folder of the socket as the host.
    plain = f"postgresql://postgres@/{database}?host={host}"
    return {
        "PEER_DATABASE": database,
        "PEER_HOST": host,
        "PEER_DATABASE_URL": plain if peer.name == "better-auth" else servers.database_url(database),
        "PEER_SECRET": SECRET,
        "PEER_PASSWORD": PASSWORD,
        "NODE_ENV": "production",
    }


def installed() -> list[tuple[Peer, Path]]:
    """Return the peers that can be run here, with the folders of their programs."""
    folders = ((peer, install(peer.name)) for peer in PEERS)
    return [(peer, folder) for peer, folder in folders if folder is not None]
