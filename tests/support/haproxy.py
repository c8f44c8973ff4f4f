"""HAProxy in front of replicas, as Debian packages it."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE
from tests.support.servers import Service, free_port
from tests.support.waiting import eventually

HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_haproxy = pytest.mark.skipif(
    not HAPROXY and os.environ.get("CI") != "true", reason="there is no haproxy"
)
# It asks for readiness four times a second, and repeats nothing that failed. A busy machine is not a failure.
CONFIGURATION = """
global
  stats socket {folder}/haproxy.sock
defaults
  mode http
  option forwardfor
  retries 0
  timeout connect 60s
  timeout client 120s
  timeout server 120s
  timeout check 60s
frontend front
  bind 127.0.0.1:{port}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  default-server check inter 250ms fall 1 rise 1
"""


class Balancer:
    """A running HAProxy."""

    def __init__(self, port: int, admin: Path) -> None:
        self.port = port
        self._admin = admin

    def is_up(self, number: int) -> bool:
        """Whether requests are sent to the replica of this number."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self._admin))
            asking.sendall(b"show stat -1 4 -1\n")
            with asking.makefile() as answer:
                header, *rows = (line.strip().split(",") for line in answer if line.strip())
        states = {row[header.index("svname")]: row[header.index("status")] for row in rows}
        return states[f"replica{number}"].startswith("UP")


@contextmanager
def balanced(replicas: Sequence[Service], folder: Path) -> Iterator[Balancer]:
    """A balancer of these replicas, once it sends requests to all of them."""
    assert HAPROXY, "run: apt-get install haproxy"
    port, configuration = free_port(), folder / "haproxy.cfg"
    lines = [
        f"  server replica{number} 127.0.0.1:{replica.port}\n" for number, replica in enumerate(replicas)
    ]
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port) + "".join(lines))
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([HAPROXY, "-db", "-f", configuration], stdout=log, stderr=log)
    balancer = Balancer(port, folder / "haproxy.sock")

    def is_ready() -> bool:
        assert process.poll() is None, (folder / "haproxy.log").read_text()
        with suppress(OSError):
            return all(balancer.is_up(number) for number in range(len(replicas)))
        return False

    try:
        eventually(is_ready)
        yield balancer
    finally:
        process.terminate()
        process.wait(PATIENCE)
