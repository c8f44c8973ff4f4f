"""The service as a hardened cluster runs it: a user without a name and a home, and no file to write."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import connect
from tests.support.people import Person, login, me, new_person
from tests.support.postgres import TRUST, postgres
from tests.support.processes import PATIENCE
from tests.support.servers import ROOT, environment_of, free_port, migrate, process_environment
from tests.support.valkeys import alone
from tests.support.waiting import WELL, eventually

USER = 1_000_680_000
AS_USER = f"unshare --user --map-user={USER} --map-group=0"
"""The group 0 is the one that OpenShift gives such a user."""
CONFINED = f"""
mount --make-rprivate /
mount -o remount,bind,ro "$(stat -c %m {shlex.quote(str(ROOT))})"
mount -o remount,bind,ro /
cd /
exec {AS_USER} sh -ec 'id -u; ! touch {shlex.quote(str(ROOT / "written"))}; exec "$@"' sh "$@"
"""


def confined(*arguments: str) -> list[str]:
    return ["unshare", "--mount", "sh", "-ec", CONFINED, "sh", *arguments]


def is_allowed() -> bool:
    """Whether this process may make such a place, for which containers often lack the right."""
    try:
        return subprocess.run(confined("true"), capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def serving(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """The URL of a confined service, which ends in good order after the context."""
    port, log = free_port(), folder / "log"
    own = process_environment(environment)
    own.pop("HOME", None)
    serve = ("serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "2")
    with log.open("wb") as out:
        service = subprocess.Popen(
            confined(sys.executable, "-m", "app", *serve),
            env=own | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: "serve.started" in log.read_text() or service.poll() is not None)
        assert service.poll() is None, log.read_text()
        assert log.read_text().splitlines()[0] == str(USER)
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        assert service.wait(PATIENCE) == 0, log.read_text()


@pytest.mark.skipif(not is_allowed(), reason="the kernel gives this process no namespaces of its own")
async def test_a_login_needs_neither_a_home_nor_a_file_to_write(tmp_path: Path) -> None:
    # No other user may open the sockets of the servers that tests share.
    with postgres(hba=TRUST) as server, alone() as valkey:
        environment = environment_of(Servers(server.url(), valkey.url))
        migrate(environment)
        sql = await connect(server.url())
        person = await new_person(sql)
        await sql.close()
        with serving(environment, tmp_path) as url:
            await signs_in(url, person)


async def signs_in(url: str, person: Person) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
        assert (await client.get("/readyz")).json() == WELL
        answer = await login(client, person)
        assert answer.status_code == 200
        assert (await me(client, answer.json()["access_token"])).status_code == 200
