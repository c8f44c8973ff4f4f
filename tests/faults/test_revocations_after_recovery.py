"""A position of Postgres is not taken for one of a server that may count its transactions anew."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from app.dev.processes import claimed
from app.dev.servers import postgres
from app.domain.refusals import Refused
from app.storage.postgres.database import open_database
from app.storage.postgres.revocations import RevocationStore
from tests.support.database import connect
from tests.support.postgres import write_as_owner
from tests.support.servers import Faulty, migrate, server_folder
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L2")

INSERT = "INSERT INTO revocations (id, expires_at) VALUES ($1, now() + interval '16 minutes')"
# Ends recovery at once on a new timeline, as the promotion of a standby does.
RECOVERY = b"restore_command = '/bin/false'\n"


class Server(Faulty):
    """A PostgreSQL whose data can be copied while it is down."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "postgres"
        super().__init__(lambda: postgres(folder, durable=False))


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    with server_folder() as one, claimed(one), server_folder() as other, claimed(other):
        yield one, other


def copy(data: Path, target: Path) -> None:
    """With its owner, and without the file that says that a server runs on it."""
    subprocess.run(["cp", "--archive", data, target], check=True)
    (target / "postmaster.pid").unlink(missing_ok=True)


async def execute(server: Server, statement: str, *arguments: object) -> None:
    sql = await connect(server.url)
    try:
        await sql.execute(statement, *arguments)
    finally:
        await sql.close()


async def found(server: Server, since: str | None) -> tuple[set[str], str, bool]:
    """What a look finds, its position, and whether it looked at everything."""
    database = open_database(server.url, pool_size=1)
    changes = await RevocationStore(database).changes(since)
    entries = {entry async for batch in changes.batches for entry in batch}
    await database.close()
    return entries, changes.position, changes.is_whole


@pytest.mark.parametrize("how", ["restored from a copy", "promoted"])
async def test_a_server_that_lacks_the_last_commits_is_asked_for_everything(
    folders: tuple[Path, Path], how: str
) -> None:
    """Its next transactions have numbers that were given out before, and were passed."""
    former = Server(folders[0])
    migrate({"AUTH_DATABASE_URL": former.url})
    await execute(former, INSERT, "kept")
    former.kill()
    data = folders[1] / "postgres"
    await asyncio.to_thread(copy, former.data, data)
    former.start()
    for number in range(20):
        await execute(former, INSERT, f"lost {number}")
    _, position, _ = await found(former, None)
    former.close()
    if how == "promoted":
        with (data / "postgresql.conf").open("ab") as settings:
            settings.write(RECOVERY)
        write_as_owner(data / "recovery.signal", b"")
    server = Server(folders[1])

    async def takes_writes() -> bool:
        with suppress(asyncpg.ReadOnlySQLTransactionError):
            await execute(server, INSERT, "new")
            return True
        return False

    await until(takes_writes)
    entries, _, is_whole = await found(server, position)
    assert (entries, is_whole) == ({"kept", "new"}, True)
    server.close()


async def test_a_server_that_recovered_from_a_crash_is_asked_for_everything(
    folders: tuple[Path, Path],
) -> None:
    """The process of one client is killed. The server goes on under the same number."""
    server = Server(folders[0])
    migrate({"AUTH_DATABASE_URL": server.url})
    await execute(server, INSERT, "one")
    _, position, _ = await found(server, None)
    assert (await found(server, position))[0] == set()
    sql = await connect(server.url)
    pid = await sql.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGKILL)

    async def is_back() -> bool:
        try:
            return (await found(server, position))[2]
        except Refused:
            return False

    await until(is_back)
    assert (await found(server, position))[0] == {"one"}
    sql.terminate()
    server.close()
