"""What the Dockerfile promises, as far as a machine without containers can tell."""

import re
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.support.servers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_image_runs_as_an_ordinary_user() -> None:
    final_stage = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[-1]
    users = re.findall(r"^USER (\d+):(\d+)$", final_stage, re.MULTILINE)

    assert users
    assert all(int(number) > 0 for number in users[-1])


def test_the_image_s_python_is_one_that_the_project_supports() -> None:
    [major, minor] = re.findall(r"^FROM python:(\d+)\.(\d+)-slim", DOCKERFILE, re.MULTILINE)[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [least] = re.findall(r">=3\.(\d+)", project["requires-python"])

    assert int(minor) >= int(least)
    assert f"Programming Language :: Python :: {major}.{minor}" in project["classifiers"]


def test_the_image_s_packages_are_locked_by_hash() -> None:
    installs = re.findall(r"\bpip (?:--python \S+ )?install (?:.*\\\n)*.*", DOCKERFILE)

    assert installs
    assert all("--require-hashes" in install for install in installs)


def test_the_image_s_health_check_asks_the_port_that_the_setting_names() -> None:
    [command] = re.findall(r'CMD \["python", "-c", "((?:[^"\\]|\\\n)*)"\]', DOCKERFILE)
    asked: list[str] = []

    class Alive(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(self.status)
            self.end_headers()

    def health(address: str) -> int:
        script, environment = command.replace("\\\n", ""), {"AUTH_LISTEN": address}
        line = [sys.executable, "-c", script]
        return subprocess.run(line, env=environment, capture_output=True, check=False).returncode

    with ThreadingHTTPServer(("127.0.0.1", 0), Alive) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        assert [health(f"0.0.0.0:{port}"), health(f"[::]:{port}")] == [0, 0]
        Alive.status = 503
        assert health(f"[::]:{port}") != 0
        server.shutdown()
    assert health(f"[::]:{port}") != 0
    assert asked == ["/livez"] * 3


def test_any_user_may_run_the_image_which_writes_nothing() -> None:
    """OpenShift runs it as a user without a name and a home, on a root that is read-only."""
    assert "chmod -R a=rX /opt/venv /srv/watchword" in DOCKERFILE
    assert "PYTHONDONTWRITEBYTECODE=1" in DOCKERFILE
    assert "--invalidation-mode unchecked-hash" in DOCKERFILE
