"""`python -m app dev`: the servers, the migrations, a demo account, and the service until a signal."""

import errno
import http.client
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from app.dev.processes import MARK, DataUnusable, DevError, claimed, end, wait_until
from app.dev.servers import Servers, postgres, valkey

DEMO_EMAIL = "demo@example.com"
READY_TIMEOUT = 60.0
_LOOPBACK = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\]):([0-9]{1,5})/?")
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

WELCOME = """
Watchword runs at {url}

  e-mail    {email}
  password  {password}

Sign in:

  curl -s {url}/login -H 'Content-Type: application/json' \\
    -d '{{"email":"{email}","password":"{password}","client":"native"}}'

An operator's commands, in another terminal:

  (. {folder}/env; {python} -m app users list)

Ctrl-C stops it. The data stays in {folder}

"""


class Stopped(KeyboardInterrupt):
    """A signal asked for the end. An event loop passes a KeyboardInterrupt on, wherever it is raised."""


def run(folder: Path = Path(".data"), *, port: int = 8000) -> int:
    """Run everything until Ctrl-C, SIGTERM or a closed terminal. Return the exit status."""
    folder = folder.resolve()
    with signals() as received:
        try:
            with claimed(folder):
                _refuse_taken_port(port)
                _refuse_issuer_of_another_port(port)
                with (
                    postgres(folder, durable=True, pause=received.pause) as database,
                    valkey(folder, durable=True, pause=received.pause) as redis,
                ):
                    _serve(folder, Servers(database.url, redis.url), port, received)
        except Stopped:
            return 0
        except DataUnusable as error:
            options = ["--folder", str(folder), "--port", str(port), "--reset"]
            again = shlex.join([sys.executable, "-m", "app", "dev", *options])
            sys.stderr.write(f"{error}; to start anew without the data: {again}\n")
            return 1
        except (DevError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return 1


class Signals:
    """Whether a signal asked for the end.

    Handlers only record a signal: an exception elsewhere could lose a child that was just started.
    """

    def __init__(self) -> None:
        self._received = False
        self._raises = False

    def record(self, _number: int, _frame: FrameType | None) -> None:
        """Be the handler of a signal."""
        self._received = True
        if self._raises:
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Sleep. Raise `Stopped` after a signal."""
        time.sleep(seconds)
        if self._received:
            raise Stopped

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise `Stopped` at the moment of a signal. No child may be started meanwhile."""
        self.pause(0)
        self._raises = True
        try:
            yield
        finally:
            self._raises = False


@contextmanager
def signals() -> Iterator[Signals]:
    """Handle the signals that end everything."""
    received = Signals()
    # After `nohup`, SIGHUP stays ignored.
    before = {number: signal.getsignal(number) for number in ENDINGS}
    for number, handler in before.items():
        if not (number == signal.SIGHUP and handler == signal.SIG_IGN):
            signal.signal(number, received.record)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(folder: Path, servers: Servers, port: int, received: Signals) -> NoReturn:
    environment = _environment(folder, servers, port)
    _write_environment(folder / "env", environment)
    os.environ.clear()
    os.environ.update(environment)
    received.pause(0)
    from app.dev import demo  # noqa: PLC0415 - what is refused above needs no service

    file = folder / "demo_password"
    is_new = not file.exists()  # Perhaps it was removed, and the old password with it.
    pending = file.with_suffix(".pending")
    password = _stored_secret(pending if is_new else file, 18)
    with received.at_once():
        demo.prepare(DEMO_EMAIL, password, is_new=is_new)
    if is_new:  # Now the account has it.
        pending.rename(file)
    received.pause(0)
    with _child("serve", "--host", "127.0.0.1", "--port", str(port)) as process:
        if (
            not wait_until(lambda: _answers(port), process, READY_TIMEOUT, received.pause)
            and process.poll() is None
        ):
            raise DevError(f"the service was not ready after {READY_TIMEOUT:.0f} seconds")
        if process.poll() is None:
            url = f"http://localhost:{port}"
            words = {"url": url, "email": DEMO_EMAIL, "password": password, "folder": folder}
            sys.stdout.write(WELCOME.format(**words, python=sys.executable))
            sys.stdout.flush()
        while process.poll() is None:
            received.pause(0.1)
        raise DevError(f"the service ended unexpectedly with status {process.returncode}")


@contextmanager
def _child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m app ...`. Leaving the context ends it and all processes that it started."""
    process = subprocess.Popen(  # noqa: S603 - It is this program.
        [sys.executable, "-m", "app", *arguments], stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        end(process)
        with suppress(ProcessLookupError, PermissionError):  # macOS raises the latter for a group of zombies.
            os.killpg(process.pid, signal.SIGKILL)


def _environment(folder: Path, servers: Servers, port: int) -> dict[str, str]:
    """Return the commands' environment. Variables that are set win, except those of the two servers."""
    ours = {"AUTH_DATABASE_URL": servers.database_url, "AUTH_REDIS_URL": servers.redis_url, MARK: str(folder)}
    # The PG* variables would direct the driver to another server.
    inherited = {name: value for name, value in os.environ.items() if value and not name.startswith("PG")}
    for name in ("AUTH_DATABASE_URL_FILE", "AUTH_REDIS_URL_FILE"):
        inherited.pop(name, None)
    _stored_secret(folder / "secret_keys", 32)
    defaults = {
        "AUTH_SECRET_KEYS_FILE": str(folder / "secret_keys"),
        "AUTH_ISSUER": f"http://localhost:{port}",
        "AUTH_AUDIENCE": f"http://localhost:{port}",
        "AUTH_LOG_FORMAT": "console",
    }
    for name, value in defaults.items():
        setting = name.removesuffix("_FILE")
        if not {setting, f"{setting}_FILE"} & inherited.keys():
            inherited[name] = value
    return inherited | ours


def _write_environment(file: Path, environment: Mapping[str, str]) -> None:
    """Write the settings to a file that a shell can read, for commands in another terminal."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    settings = {name: value for name, value in environment.items() if name.startswith("AUTH_")}
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()))


def _stored_secret(file: Path, size: int) -> str:
    """Return the secret of a file. The first time, create it from that many random bytes."""
    if not file.exists():
        unfinished = file.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_urlsafe(size))
        unfinished.rename(file)
    return file.read_text().strip()


def _refuse_taken_port(port: int) -> None:
    """Check both loopback addresses: clients may try either for `localhost`."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                reason = os.strerror(error.errno).lower()
                raise DevError(
                    f"port {port} cannot be used ({reason}): choose another: --port, or make run PORT=8001"
                ) from None


def _refuse_issuer_of_another_port(port: int) -> None:
    """A shell that has read the environment file of another port would hand that port's issuer on."""
    issuer = os.environ.get("AUTH_ISSUER", "")
    if (own := _LOOPBACK.fullmatch(issuer)) and int(own[1]) != port:
        raise DevError(
            f"AUTH_ISSUER is {issuer}, but the port is {port}: take that port, "
            "or unset AUTH_ISSUER AUTH_AUDIENCE first"
        )


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("localhost", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()
