"""What the compose file runs after `migrate` gives the service a role that changes rows and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.support.database import connect
from tests.support.servers import ROOT, PrivateServers, migrate

ROLE = "watchword_service"
# The events are kept unchanged by triggers, which only the owner may switch off.
REFUSED = [
    "CREATE TABLE mine (id int)",
    "ALTER TABLE accounts ADD COLUMN mine int",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "SET session_replication_role = replica",
    "TRUNCATE sessions",
    "DROP TABLE sessions",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine",
]


def grant(url: str, password: str, folder: Path) -> None:
    """As the compose file runs it."""
    driver_url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    texts = {"url": driver_url, "password": f"{password}\n"}
    files = {name: folder / name for name in texts}
    for name, text in texts.items():
        files[name].write_text(text)
    subprocess.run(
        [sys.executable, ROOT / "deploy/grants.py", ROOT / "deploy/grants.sql", files["password"]],
        env={**os.environ, "AUTH_DATABASE_URL_FILE": str(files["url"])},
        check=True,
    )


@pytest.mark.requirement("E12")
async def test_the_role_of_the_service_changes_rows_and_nothing_else(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    owners = private_servers.environment
    migrate(owners)
    owner = await connect(owners["AUTH_DATABASE_URL"])
    for password in ("an-old-one", "it's new"):  # It may be run again.
        grant(owners["AUTH_DATABASE_URL"], password, tmp_path)
    secret = await owner.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", ROLE)
    assert secret.startswith("SCRAM-SHA-256$")
    await owner.execute("CREATE TABLE later (id int)")  # As a later release might.

    url = make_url(owners["AUTH_DATABASE_URL"]).set(username=ROLE, password="it's new")
    role = await connect(url.render_as_string(hide_password=False))
    assert await role.fetchval("SELECT current_user") == ROLE
    await role.execute("INSERT INTO later VALUES (1)")
    for statement in REFUSED:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await role.execute(statement)
    await role.close()
    await owner.close()
